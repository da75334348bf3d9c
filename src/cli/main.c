#include "cli/commands.h"

int main(int argc, char **argv)
{
    return px_command_main(&px_commands, argc, (const char *const *)argv);
}
