/*
 * Goal: collections are put, loaded and removed by name; one bad file does not hide the others.
 * Method: put several, damage one by hand, load.
 */
#include "metadata/collection_store.h"

#include "os/file.h"
#include "support/fault_fs.h"
#include "support/px_test.h"

#include <errno.h>

static struct px_data_folder folder;
static char log_text[4000];

static void log_line(void *context, int level, const char *line)
{
    (void)context;
    (void)level;
    size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof log_text - used, "%s\n", line);
}

static const struct px_log test_log = {.write = log_line};

static int open_store(void **state)
{
    (void)state;
    log_text[0] = '\0';
    return px_data_folder_open(&folder, &px_fs_posix, &px_clock_system, &test_log,
                               px_test_folder("collection_store"), NULL);
}

static int close_store(void **state)
{
    (void)state;
    px_data_folder_close(&folder);
    return 0;
}

static struct px_collection make(const char *name)
{
    struct px_collection collection;
    struct proximadb_error error;
    struct proximadb_collection_spec spec = {
        .struct_size = sizeof spec, .name = name, .dim_count = 384, .storage = PROXIMADB_EXACT};
    if (px_collection_init(&collection, &spec, 1705320000000, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return collection;
}

struct loaded {
    size_t count;
    struct px_collection items[8];
    char damaged[PX_COLLECTION_NAME_BYTES];
    struct proximadb_error damage;
};

static int see(void *context, const struct px_found_collection *found,
               struct proximadb_error *reterr)
{
    struct loaded *loaded = context;
    (void)reterr;
    if (found->collection != NULL) {
        assert_string_equal(found->collection->name, found->name);
        loaded->items[loaded->count++] = *found->collection;
    } else {
        snprintf(loaded->damaged, sizeof loaded->damaged, "%s", found->name);
        loaded->damage = *found->damage;
    }
    return PROXIMADB_OK;
}

static void test_collection_store__loads_what_was_put(void **state)
{
    (void)state;
    static struct loaded loaded;
    struct px_collection b = make("bbb"), a = make("aaa");
    assert_int_equal(px_collection_store_put(&folder, &b, NULL), PROXIMADB_OK);
    assert_int_equal(px_collection_store_put(&folder, &a, NULL), PROXIMADB_OK);
    a.vector_count = 77;
    assert_int_equal(px_collection_store_put(&folder, &a, NULL), PROXIMADB_OK);
    assert_true(px_collection_store_has(&folder, "aaa"));
    assert_false(px_collection_store_has(&folder, "ccc"));
    loaded.count = 0;
    assert_int_equal(px_collection_store_load(&folder, see, &loaded, NULL), PROXIMADB_OK);
    assert_int_equal(loaded.count, 2);
    assert_string_equal(loaded.items[0].name, "aaa");
    assert_int_equal(loaded.items[0].vector_count, 77);
    assert_true(px_uuid_equal(loaded.items[1].id, b.id));

    assert_int_equal(px_collection_store_remove(&folder, "aaa", NULL, NULL), PROXIMADB_OK);
    assert_int_equal(px_collection_store_remove(&folder, "aaa", NULL, NULL), PROXIMADB_OK);
    loaded.count = 0;
    assert_int_equal(px_collection_store_load(&folder, see, &loaded, NULL), PROXIMADB_OK);
    assert_int_equal(loaded.count, 1);
}

static void test_collection_store__one_bad_file_does_not_hide_others(void **state)
{
    (void)state;
    static struct loaded loaded;
    struct px_path path;
    struct px_collection a = make("aaa"), b = make("bbb");
    assert_int_equal(px_collection_store_put(&folder, &a, NULL), PROXIMADB_OK);
    assert_int_equal(px_collection_store_put(&folder, &b, NULL), PROXIMADB_OK);
    assert_int_equal(px_data_folder_path(&folder, PX_DATA_METADATA, "aaa", &path, NULL),
                     PROXIMADB_OK);
    int fd = px_fs_posix.open(&px_fs_posix, path.text, PX_FS_READ_WRITE);
    assert_int_equal(px_fs_posix.truncate(&px_fs_posix, fd, 10), 0);
    px_fs_posix.close(&px_fs_posix, fd);
    loaded.count = 0;
    assert_int_equal(px_collection_store_load(&folder, see, &loaded, NULL), PROXIMADB_OK);
    assert_int_equal(loaded.count, 1);
    assert_string_equal(loaded.items[0].name, "bbb");
    assert_string_equal(loaded.damaged, "aaa");
    assert_int_equal(loaded.damage.status, PROXIMADB_CORRUPT);
    assert_non_null(strstr(loaded.damage.message, "/metadata/collections/aaa.json'"));
    assert_true(px_file_exists(&px_fs_posix, path.text)); /* left for a person to look at */
}

static void test_collection_store__a_file_must_describe_its_name(void **state)
{
    (void)state;
    static struct loaded loaded;
    struct px_path from, to;
    struct px_collection a = make("aaa");
    assert_int_equal(px_collection_store_put(&folder, &a, NULL), PROXIMADB_OK);
    assert_int_equal(px_data_folder_path(&folder, PX_DATA_METADATA, "aaa", &from, NULL), 0);
    assert_int_equal(px_data_folder_path(&folder, PX_DATA_METADATA, "aab", &to, NULL), 0);
    assert_int_equal(px_fs_posix.rename(&px_fs_posix, from.text, to.text), 0);
    loaded.count = 0;
    assert_int_equal(px_collection_store_load(&folder, see, &loaded, NULL), PROXIMADB_OK);
    assert_int_equal(loaded.count, 0);
    assert_string_equal(loaded.damaged, "aab");
    assert_non_null(strstr(loaded.damage.message, "it describes the collection 'aaa'"));
}

static void write_text(const char *name, const char *text)
{
    char path[600];
    snprintf(path, sizeof path, "%s/metadata/collections/%s", folder.path.text, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_collection_store__tells_a_newer_format_from_damage(void **state)
{
    (void)state;
    static struct loaded loaded;
    write_text("aaa.json", "{\"format_version\": 99, \"name\": \"aaa\"}");
    write_text("no collection's.json", "{}");
    write_text("bbb.json.tmp", "{}");
    loaded.count = 0;
    assert_int_equal(px_collection_store_load(&folder, see, &loaded, NULL), PROXIMADB_OK);
    assert_int_equal(loaded.count, 0);
    assert_string_equal(loaded.damaged, "aaa");
    assert_int_equal(loaded.damage.status, PROXIMADB_UNIMPLEMENTED);
    assert_non_null(strstr(log_text, "no collection's.json"));
    assert_false(px_collection_store_has(&folder, "bbb"));
}

/* The name is gone, and may come back: that is something else than not gone. */
static void test_collection_store__says_whether_a_removal_is_sure(void **state)
{
    (void)state;
    struct px_fault_fs faults;
    bool unsure;
    struct px_collection a = make("aaa");
    px_fault_fs_init(&faults, &px_fs_posix);
    folder.fs = &faults.base;
    assert_int_equal(px_collection_store_put(&folder, &a, NULL), PROXIMADB_OK);
    px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = PX_FAULT_UNLINK, .fail_at = 1});
    assert_int_equal(px_collection_store_remove(&folder, "aaa", &unsure, NULL), PROXIMADB_IO);
    assert_false(unsure);
    assert_true(px_collection_store_has(&folder, "aaa"));
    px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = PX_FAULT_SYNC_FOLDER, .fail_at = 1});
    assert_int_equal(px_collection_store_remove(&folder, "aaa", &unsure, NULL), PROXIMADB_IO);
    assert_true(unsure);
    assert_false(px_collection_store_has(&folder, "aaa"));
    folder.fs = &px_fs_posix;
    px_fault_fs_release(&faults);
}

static void test_collection_store__reads_one(void **state)
{
    (void)state;
    struct proximadb_error error;
    struct px_collection found, a = make("aaa");
    assert_int_equal(px_collection_store_put(&folder, &a, NULL), PROXIMADB_OK);
    assert_int_equal(px_collection_store_read(&folder, "aaa.json", &found, &error), PROXIMADB_OK);
    assert_true(px_uuid_equal(found.id, a.id));
    assert_int_equal(px_collection_store_read(&folder, "aab.json", &found, &error), PROXIMADB_IO);
    assert_int_equal(error.os_errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_collection_store__loads_what_was_put, open_store,
                                        close_store),
        cmocka_unit_test_setup_teardown(test_collection_store__one_bad_file_does_not_hide_others,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(test_collection_store__a_file_must_describe_its_name,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(test_collection_store__tells_a_newer_format_from_damage,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(test_collection_store__says_whether_a_removal_is_sure,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(test_collection_store__reads_one, open_store, close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
