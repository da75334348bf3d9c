#include <proximadb.h>

const char *proximadb_version(void)
{
    return PROXIMADB_VERSION;
}
