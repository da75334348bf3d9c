#include "wal/wal_chain.h"

#include "os/file.h"
#include "os/path.h"

#include "wal/wal_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    MOST_TRIES = 5, /* of reading a file whose end looks unfinished beside a server */
    PAUSE_MS = 20,
};

/* A file of the chain, before it is read. */
struct link {
    struct px_wal_place place;
    char name[PX_WAL_FILE_NAME_BYTES];
    struct px_wal_header header;
};

struct chain {
    const struct px_wal_chain_options *options;
    struct link *links; /* by place, as recovery sorts them */
    size_t count;
};

static int path_of(const struct chain *chain, const char *name, struct px_path *ret_path,
                   struct proximadb_error *reterr)
{
    return px_path_format(ret_path, reterr, "%s/%s", chain->options->folder, name);
}

/* Log files are read, not mapped: one that a server closes meanwhile gets shorter, and what is
 * behind the end of a mapped file must not be touched. */
static int read_file(const struct chain *chain, const struct px_path *path,
                     struct px_buffer *content, struct proximadb_error *reterr)
{
    px_buffer_clear(content);
    return px_file_read(chain->options->fs, path->text, SIZE_MAX / 2, content, reterr);
}

/* ---- finding the files --------------------------------------------------------------------- */

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name), suffix_length = strlen(suffix);
    return length >= suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

/* Takes a file into the chain, or says why not. */
static void add_link(struct chain *chain, const struct px_path *path, struct px_slice content)
{
    const struct px_wal_chain_options *options = chain->options;
    struct px_wal_reader reader;
    struct px_wal_entry entry;
    struct proximadb_error error;
    int rc = px_wal_reader_init(&reader, content, &error);
    bool has_entries = rc == PROXIMADB_OK && px_wal_reader_next(&reader, &entry);
    if (rc != PROXIMADB_OK) {
        px_finding_report(options->findings, PX_DAMAGE, path->text,
                          "the header of the log file cannot be used: %s", error.message);
    } else if (!px_uuid_equal(reader.header.collection_id, options->collection_id)) {
        px_finding_report(options->findings, PX_WARNING, path->text,
                          "it belongs to another collection (%s) and is left alone",
                          reader.header.collection);
    } else {
        if (!has_entries && reader.end == PX_WAL_END_CLEAN)
            px_finding_report(options->findings, PX_NOTE, path->text,
                              "it holds no entry; it is removed with the files before it");
        struct link *link = &chain->links[chain->count++];
        snprintf(link->name, sizeof link->name, "%s", px_path_name(path->text));
        link->header = reader.header;
        link->place =
            (struct px_wal_place){.first_lsn = reader.header.first_lsn, .has_entries = has_entries};
        memcpy(link->place.name, link->name, sizeof link->place.name);
    }
}

static int look_at_log(struct chain *chain, const struct px_path *path, struct px_buffer *content,
                       struct proximadb_error *reterr)
{
    struct proximadb_error error;
    int rc = read_file(chain, path, content, &error);
    if (rc == PROXIMADB_OK) {
        add_link(chain, path, px_buffer_slice(content));
    } else if (rc == PROXIMADB_NO_MEMORY || error.os_errno == ENOENT) {
        if (reterr != NULL)
            *reterr = error;
        return rc;
    } else {
        px_finding_report(chain->options->findings, PX_DAMAGE, path->text, "%s", error.message);
    }
    return PROXIMADB_OK;
}

static int look_at(struct chain *chain, const struct px_name *name, struct px_buffer *content,
                   struct proximadb_error *reterr)
{
    const struct px_findings *findings = chain->options->findings;
    struct px_path path;
    int rc = path_of(chain, name->text, &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    bool is_file = name->kind == PX_FS_FILE;
    if (is_file && has_suffix(name->text, ".wal") && strlen(name->text) < PX_WAL_FILE_NAME_BYTES)
        return look_at_log(chain, &path, content, reterr);
    if (is_file && has_suffix(name->text, ".wal.tmp"))
        px_finding_report(findings, PX_NOTE, path.text,
                          "it was left by an interrupted write; a start of the server removes it");
    else if (is_file && has_suffix(name->text, ".wal.failed"))
        px_finding_report(findings, PX_WARNING, path.text,
                          "the device failed while this log file was synced; the next start writes "
                          "the file anew, and the last writes may be lost");
    else
        px_finding_report(findings, PX_WARNING, path.text, "it is no log file of ours");
    return PROXIMADB_OK;
}

static int compare_links(const void *a, const void *b)
{
    const struct link *left = a, *right = b;
    return px_wal__compare_places(&left->place, &right->place);
}

static int find_links(struct chain *chain, struct px_buffer *content,
                      struct proximadb_error *reterr)
{
    struct px_names names;
    int rc = px_folder_list(chain->options->fs, chain->options->folder, &names, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    chain->links = calloc(names.count + 1, sizeof *chain->links);
    if (chain->links == NULL)
        rc = px_fail_no_memory(reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < names.count; i++)
        rc = look_at(chain, &names.items[i], content, reterr);
    px_names_release(&names);
    if (rc == PROXIMADB_OK)
        qsort(chain->links, chain->count, sizeof *chain->links, compare_links);
    return rc;
}

/* ---- walking them -------------------------------------------------------------------------- */

/* The next file's header says where this one's log ends, if that one was made right behind it. */
static const struct px_wal_header *next_header(const struct chain *chain, size_t index)
{
    return index + 1 < chain->count ? &chain->links[index + 1].header : NULL;
}

static int begin_walk(const struct chain *chain, size_t index, struct px_slice content,
                      struct px_wal_reader *reader, struct proximadb_error *reterr)
{
    const struct px_wal_header *next = next_header(chain, index);
    int rc = px_wal_reader_init(reader, content, reterr);
    if (rc == PROXIMADB_OK && next != NULL &&
        strcmp(next->previous_file, chain->links[index].name) == 0)
        px_wal_reader_set_limit(reader, next->previous_end);
    return rc;
}

static enum px_wal_end walk_to_end(struct px_wal_reader *reader)
{
    struct px_wal_entry entry;
    while (px_wal_reader_next(reader, &entry))
        continue;
    return reader->end;
}

/* Reads a file, again and again while a server seems to be writing its end. */
static int read_settled(const struct chain *chain, size_t index, struct px_buffer *content,
                        struct proximadb_error *reterr)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
    struct px_path path;
    int rc = path_of(chain, chain->links[index].name, &path, reterr);
    for (int i = 0; rc == PROXIMADB_OK && i < MOST_TRIES; i++) {
        struct px_wal_reader reader;
        rc = read_file(chain, &path, content, reterr);
        if (rc != PROXIMADB_OK || !chain->options->is_live)
            break;
        if (begin_walk(chain, index, px_buffer_slice(content), &reader, NULL) == PROXIMADB_OK &&
            walk_to_end(&reader) == PX_WAL_END_CLEAN)
            break;
        (void)nanosleep(&pause, NULL);
    }
    return rc;
}

static int give_entries(const struct chain *chain, struct px_wal_reader *reader,
                        struct px_wal_chain_file *file, struct proximadb_error *reterr)
{
    const struct px_wal_chain_options *options = chain->options;
    struct px_wal_entry entry;
    int rc = PROXIMADB_OK;
    while (rc == PROXIMADB_OK && px_wal_reader_next(reader, &entry)) {
        file->entry_count++;
        if (options->entry != NULL)
            rc = options->entry(options->context, &entry, reterr);
    }
    return rc;
}

/* The rules of recovery, and one more: a file whose end is known must be sound up to there even if
 * all of it is in VIPER. Between files that are in VIPER there may be gaps: removing them may have
 * been interrupted. */
static bool is_damaged(const struct chain *chain, size_t index, const struct px_wal_reader *reader)
{
    const struct px_wal_header *next = next_header(chain, index);
    if (next == NULL)
        return reader->end == PX_WAL_END_DAMAGED;
    if (strcmp(next->previous_file, chain->links[index].name) == 0)
        return reader->end != PX_WAL_END_CLEAN || reader->next_lsn != next->first_lsn;
    if (next->first_lsn <= chain->options->flushed_lsn + 1)
        return reader->end == PX_WAL_END_DAMAGED;
    return reader->next_lsn != next->first_lsn;
}

static void report_end(const struct chain *chain, size_t index, const struct px_path *path,
                       const struct px_wal_reader *reader)
{
    const struct px_findings *findings = chain->options->findings;
    unsigned long long at = reader->log_end;
    const char *reason = reader->reason != NULL ? reader->reason : "entries are missing behind it";
    if (is_damaged(chain, index, reader))
        px_finding_report(findings, PX_DAMAGE, path->text,
                          "the log is damaged at offset %llu: %s; its last good LSN is %lld", at,
                          reason, (long long)reader->next_lsn - 1);
    else if (reader->end == PX_WAL_END_TORN)
        px_finding_report(findings, PX_NOTE, path->text,
                          "it ends in an unfinished write at offset %llu (%s), which was never "
                          "acknowledged; a start of the server cuts it off",
                          at, reason);
}

static void report_gap(const struct chain *chain, size_t index, const struct px_path *path)
{
    if (index == 0 && chain->links[0].header.first_lsn > chain->options->flushed_lsn + 1)
        px_finding_report(chain->options->findings, PX_DAMAGE, path->text,
                          "the file in front of it is missing: it begins with LSN %lld, and the "
                          "store ends with %lld",
                          (long long)chain->links[0].header.first_lsn,
                          (long long)chain->options->flushed_lsn);
}

/* Names are times in seconds: one may come again for another file when its own is removed. */
static bool is_same_file(const struct px_wal_header *now, const struct px_wal_header *found)
{
    return memcmp(now->sync_marker, found->sync_marker, sizeof found->sync_marker) == 0;
}

static int fail_replaced(const struct px_path *path, struct proximadb_error *reterr)
{
    errno = ENOENT;
    return px_fail(reterr, PROXIMADB_IO,
                   "the log file '%s' was removed while it was read, and another has its name",
                   path->text);
}

static int walk_link(const struct chain *chain, size_t index, const struct px_path *path,
                     struct px_slice content, struct proximadb_error *reterr)
{
    const struct px_wal_chain_options *options = chain->options;
    struct px_wal_chain_file file = {.header = chain->links[index].header,
                                     .size_bytes = content.size_bytes};
    struct px_wal_reader reader;
    struct proximadb_error error;
    memcpy(file.name, chain->links[index].name, sizeof file.name);
    if (begin_walk(chain, index, content, &reader, &error) != PROXIMADB_OK) {
        px_finding_report(options->findings, PX_DAMAGE, path->text, "%s", error.message);
        return PROXIMADB_OK;
    }
    if (!is_same_file(&reader.header, &file.header))
        return fail_replaced(path, reterr);
    int rc = give_entries(chain, &reader, &file, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    file.log_end = reader.log_end;
    file.next_lsn = reader.next_lsn;
    file.end = reader.end;
    report_gap(chain, index, path);
    report_end(chain, index, path, &reader);
    return options->file != NULL ? options->file(options->context, &file, reterr) : PROXIMADB_OK;
}

int px_wal_chain_read(const struct px_wal_chain_options *options, struct proximadb_error *reterr)
{
    struct chain chain = {.options = options};
    struct px_buffer content = {0};
    int rc = find_links(&chain, &content, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < chain.count; i++) {
        struct px_path path;
        rc = path_of(&chain, chain.links[i].name, &path, reterr);
        if (rc == PROXIMADB_OK)
            rc = read_settled(&chain, i, &content, reterr);
        if (rc == PROXIMADB_OK)
            rc = walk_link(&chain, i, &path, px_buffer_slice(&content), reterr);
    }
    free(chain.links);
    px_buffer_release(&content);
    return rc;
}
