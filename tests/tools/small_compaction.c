#include "small_compaction.h"

#include "service/engine.h"

#define MIB (UINT64_C(1) << 20)

uint64_t small_compaction_scale = 1;
uint32_t small_compaction_list_rows;
uint32_t small_compaction_index_rows;

/* The linker's names: calls of px_engine_open() come to the first, the second is the function. */
int __wrap_px_engine_open(const char *data_dir, const struct px_engine_options *options,
                          struct px_engine **ret_engine, struct proximadb_error *reterr);
int __real_px_engine_open(const char *data_dir, const struct px_engine_options *options,
                          struct px_engine **ret_engine, struct proximadb_error *reterr);

/* 0 means the default, so it is at least 1. */
static uint64_t scaled(uint64_t size)
{
    if (small_compaction_scale == 1)
        return 0;
    return size > small_compaction_scale ? size / small_compaction_scale : 1;
}

int __wrap_px_engine_open(const char *data_dir, const struct px_engine_options *options,
                          struct px_engine **ret_engine, struct proximadb_error *reterr)
{
    struct px_engine_options small = *options;
    small.plan_limits.round_bytes = scaled(1024 * MIB);
    small.plan_limits.least_round_bytes = scaled(1 * MIB);
    small.plan_limits.taken_bytes = scaled(1024 * MIB);
    small.plan_limits.rewritten_bytes = scaled(32 * MIB);
    small.plan_limits.fold_bytes = scaled(8 * MIB);
    small.cluster_sizes.least_bytes = scaled(8 * MIB);
    small.cluster_sizes.aimed_bytes = scaled(128 * MIB);
    small.cluster_sizes.most_bytes = scaled(256 * MIB);
    small.list_rows = small_compaction_list_rows;
    small.index_least_rows = small_compaction_index_rows;
    return __real_px_engine_open(data_dir, &small, ret_engine, reterr);
}
