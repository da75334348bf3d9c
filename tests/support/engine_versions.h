/*
 * engine_versions: the collection "docs" of `box` (support/engine_on_disk.h) as it should be: which of
 * its numbered rows are there, and in which version.
 */
#ifndef PX_TEST_ENGINE_VERSIONS_H
#define PX_TEST_ENGINE_VERSIONS_H

#include "support/engine_rows.h"

/* Its variables must not shadow what the others name. */
#include "support/engine_on_disk.h"

enum { ENGINE_VERSIONS_DIMS = 8, ENGINE_VERSIONS_MOST = 240 };

/* By the row's number; 0: there is none. */
static int64_t versions[ENGINE_VERSIONS_MOST];

static inline void engine_versions_clear(void)
{
    memset(versions, 0, sizeof versions);
}

static inline const char *engine_versions_id(uint32_t number)
{
    static char text[16];
    snprintf(text, sizeof text, "row-%u", number);
    return text;
}

/* A row whose vector is made of `value`, new or in place of an old one. */
static inline void engine_versions_put(uint32_t number, float value)
{
    const char *id = engine_versions_id(number);
    engine_must(engine_put(&box, PROXIMADB_UPSERT, "docs", id, ENGINE_VERSIONS_DIMS, value),
                &box.error);
    versions[number] = engine_get_version(&box, "docs", id);
}

static inline void engine_versions_erase(uint32_t number)
{
    struct proximadb_write_result result;
    engine_must(engine_try_delete(&box, "docs", engine_versions_id(number), &result), &box.error);
    assert_int_equal(result.affected, versions[number] != 0);
    versions[number] = 0;
}

static inline uint64_t engine_versions_count(void)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < ENGINE_VERSIONS_MOST; i++)
        count += versions[i] != 0;
    return count;
}

/* Everything that can be asked about rows. */
static inline void engine_versions_check(void)
{
    struct engine_rows rows = {0};
    engine_scan(&box, "docs", NULL, &rows);
    assert_int_equal(rows.count, engine_versions_count());
    for (uint32_t i = 0; i < ENGINE_VERSIONS_MOST; i++) {
        const char *id = engine_versions_id(i);
        const struct engine_row *row = engine_rows_find(&rows, id);
        assert_int_equal(row != NULL ? row->version : 0, versions[i]);
        if (i % 7 == 0 || i % 17 == 0)
            assert_int_equal(engine_get_version(&box, "docs", id), versions[i]);
    }
    engine_rows_clear(&rows);
    assert_int_equal(engine_count(&box, "docs", NULL), engine_versions_count());
    assert_int_equal(engine_info(&box, "docs").info.vector_count, engine_versions_count());
}

#endif /* PX_TEST_ENGINE_VERSIONS_H */
