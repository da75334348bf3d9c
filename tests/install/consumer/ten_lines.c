#include <proximadb.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    proximadb *db;
    struct proximadb_error error;
    if (argc < 2 || proximadb_open(argv[1], NULL, &db, &error) != PROXIMADB_OK)
        return fprintf(stderr, "%s\n", argc < 2 ? "name a folder" : error.message), 1;
    proximadb_close(db);
    return printf("proximadb %s\n", proximadb_version()) < 0;
}
