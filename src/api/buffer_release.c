#include "base/buffer.h"

void proximadb_buffer_release(struct proximadb_buffer *buffer)
{
    px_public_buffer_release(buffer);
}
