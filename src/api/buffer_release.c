#include <proximadb.h>

void proximadb_buffer_release(struct proximadb_buffer *buffer)
{
    if (buffer->release != NULL)
        buffer->release(buffer->context);
    *buffer = (struct proximadb_buffer){0};
}
