#include "service/write_op.h"

#include <assert.h>

uint32_t px_write_op_row_count(const struct px_write_op *op)
{
    switch (op->kind) {
    case PX_WRITE_INSERT:
    case PX_WRITE_UPSERT:
        return op->as.batch.row_count;
    case PX_WRITE_UPDATE:
        return op->as.update.row_count;
    case PX_WRITE_DELETE:
    case PX_WRITE_EXPIRE:
        return op->as.ids.count;
    case PX_WRITE_FREEZE:
    case PX_WRITE_ALTER:
        break;
    }
    return 0;
}

uint64_t px_write_op_hash(const struct px_write_op *op, uint32_t row)
{
    assert(row < px_write_op_row_count(op));
    switch (op->kind) {
    case PX_WRITE_INSERT:
    case PX_WRITE_UPSERT:
        return op->as.batch.rows[row].id_hash;
    case PX_WRITE_UPDATE:
        return op->as.update.rows[row].id_hash;
    default:
        return op->as.ids.items[row].hash;
    }
}

struct px_slice px_write_op_id(const struct px_write_op *op, uint32_t row)
{
    assert(row < px_write_op_row_count(op));
    switch (op->kind) {
    case PX_WRITE_INSERT:
    case PX_WRITE_UPSERT:
        return op->as.batch.rows[row].record.id;
    case PX_WRITE_UPDATE:
        return op->as.update.rows[row].id;
    default:
        return op->as.ids.items[row].text;
    }
}

bool px_write_op_has_rows(const struct px_write_op *op)
{
    return op->kind == PX_WRITE_INSERT || op->kind == PX_WRITE_UPSERT ||
           op->kind == PX_WRITE_UPDATE;
}
