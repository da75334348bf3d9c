#include "axis/graph_steps_internal.h"

#include "base/crc32c.h"
#include "os/file.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/*
 * The file: a header of 512 bytes and sections, each from a multiple of 64 bytes on, in this order
 * and without anything in between. docs/format/graph.md is the whole truth.
 */
enum {
    FORMAT_VERSION = 2,
    FIRST_VERSION = 1, /* lines have one plane, whatever the dimensions */
    ALIGNMENT = 64,
    SECTION_COUNT = 8,
    COPY_BYTES = 1 << 20,
};

static const char magic[8] = "PXGRAPH";

enum section { MEAN, ENTRIES, EFFORTS, LINES, LISTS, MAGNITUDES, LABELS, FINE };

static const char *const section_names[SECTION_COUNT] = {
    "mean", "entry points", "efforts", "lines", "lists", "magnitudes", "labels", "fine bits"};

struct header {
    char magic[8];
    uint32_t version;
    uint32_t dim_count;
    uint32_t metric;
    uint32_t memory;
    uint32_t padded;
    uint32_t line_bytes;
    uint32_t degree;
    uint32_t slot_count;
    uint32_t entry_count;
    uint32_t effort_count;
    uint64_t rotation_seed;
    uint64_t calibrated_count;
    double most_norm;
    float unit;
    uint32_t section_crcs[SECTION_COUNT]; /* the last one from version 2 on, like the next two */
    uint32_t plane_count;
    uint32_t fine_bytes;
    uint8_t reserved[388];
    uint32_t crc; /* of all before it */
    uint32_t padding;
};
static_assert(sizeof(struct header) == 512, "docs/format/graph.md");

struct stored_effort {
    double recall;
    float reach;
    uint32_t beam;
    uint32_t k;
    uint32_t reserved;
};
static_assert(sizeof(struct stored_effort) == 24, "docs/format/graph.md");

static size_t section_bytes(const struct header *header, enum section section)
{
    size_t slots = header->slot_count;
    switch (section) {
    case MEAN:
        return header->dim_count * sizeof(float);
    case ENTRIES:
        return header->entry_count * sizeof(uint32_t);
    case EFFORTS:
        return header->effort_count * sizeof(struct stored_effort);
    case LINES:
        return slots * header->line_bytes;
    case LISTS:
        return slots * header->degree * sizeof(uint32_t);
    case MAGNITUDES:
        return slots * header->padded;
    case LABELS:
        return slots * sizeof(int64_t);
    default:
        return slots * header->fine_bytes;
    }
}

static uint64_t section_offset(const struct header *header, enum section section)
{
    uint64_t offset = sizeof *header;
    for (int i = 0; i < (int)section; i++)
        offset += px_round_up(section_bytes(header, (enum section)i), ALIGNMENT);
    return offset;
}

/* ---- saving --------------------------------------------------------------------------------- */

/* Where a section stands in memory: in the graph, or, where that is laid out otherwise, a copy. */
struct sources {
    const void *data[SECTION_COUNT];
    uint32_t entries[PX_GRAPH__MOST_ENTRIES];
    struct stored_effort efforts[PX_GRAPH__MOST_EFFORTS];
};

static void fill_header(const struct px_graph *graph, struct header *header,
                        struct sources *sources)
{
    *header = (struct header){.version = FORMAT_VERSION,
                              .dim_count = graph->config.dim_count,
                              .metric = graph->config.metric,
                              .memory = graph->config.memory,
                              .padded = graph->padded,
                              .line_bytes = graph->line_bytes,
                              .degree = graph->degree,
                              .slot_count = atomic_load(&graph->slot_count),
                              .rotation_seed = PX_GRAPH__ROTATION_SEED,
                              .calibrated_count = graph->calibrated_count,
                              .most_norm = graph->most_norm,
                              .unit = graph->unit,
                              .plane_count = graph->plane_count,
                              .fine_bytes = graph->fine_bytes,
                              .entry_count = atomic_load(&graph->entry_count),
                              .effort_count = graph->effort_count};
    memcpy(header->magic, magic, sizeof magic);
    for (uint32_t i = 0; i < header->entry_count; i++)
        sources->entries[i] = atomic_load(&graph->entries[i]);
    for (uint32_t i = 0; i < header->effort_count; i++)
        sources->efforts[i] =
            (struct stored_effort){graph->efforts[i].recall, graph->efforts[i].reach,
                                   graph->efforts[i].beam, graph->efforts[i].k, 0};
    sources->data[MEAN] = graph->mean;
    sources->data[ENTRIES] = sources->entries;
    sources->data[EFFORTS] = sources->efforts;
    sources->data[LINES] = graph->lines.data;
    sources->data[LISTS] = graph->lists.data;
    sources->data[MAGNITUDES] = graph->magnitudes.data;
    sources->data[LABELS] = graph->labels.data;
    sources->data[FINE] = graph->fine.data;
}

/* Copies of lines and lists may change under way (a slot dies), so each piece is copied once, word
 * by word, and the copy is both summed up and written. */
static void copy_words(const void *from, size_t size_bytes, uint8_t *to)
{
    const _Atomic uint32_t *words = from;
    size_t i = 0;
    for (; i < size_bytes / sizeof(uint32_t); i++)
        px_store_u32(to + i * sizeof(uint32_t),
                     atomic_load_explicit(&words[i], memory_order_relaxed));
}

struct output {
    struct px_fs *fs;
    const char *path;
    int fd;
    uint8_t *buffer; /* owned; COPY_BYTES */
};

static int write_at(const struct output *output, const void *data, size_t size_bytes,
                    uint64_t offset, struct proximadb_error *reterr)
{
    struct px_slice piece = {data, size_bytes};
    if (output->fs->write_at(output->fs, output->fd, &piece, 1, offset) < 0)
        return px_fail_file(reterr, "cannot write '%s'", output->path);
    output->fs->start_sync(output->fs, output->fd, offset, size_bytes);
    return PROXIMADB_OK;
}

static int write_section(const struct output *output, struct header *header, enum section section,
                         const uint8_t *data, struct proximadb_error *reterr)
{
    size_t left = section_bytes(header, section);
    uint64_t offset = section_offset(header, section);
    int rc = PROXIMADB_OK;
    while (left > 0 && rc == PROXIMADB_OK) {
        size_t count = left < COPY_BYTES ? left : COPY_BYTES;
        size_t padded = px_round_up(count, ALIGNMENT);
        memset(output->buffer + count, 0, padded - count);
        copy_words(data, count, output->buffer);
        header->section_crcs[section] =
            px_crc32c(header->section_crcs[section], output->buffer, count);
        rc = write_at(output, output->buffer, padded, offset, reterr);
        data += count;
        offset += padded;
        left -= count;
    }
    return rc;
}

static int write_all(struct px_graph *graph, const struct output *output,
                     struct proximadb_error *reterr)
{
    struct header header;
    struct sources *sources = malloc(sizeof *sources);
    int rc = PROXIMADB_OK;
    if (sources == NULL)
        return px_fail_no_memory(reterr);
    pthread_mutex_lock(&graph->entry_lock);
    fill_header(graph, &header, sources);
    pthread_mutex_unlock(&graph->entry_lock);
    for (int i = 0; i < SECTION_COUNT && rc == PROXIMADB_OK; i++)
        rc = write_section(output, &header, (enum section)i, sources->data[i], reterr);
    free(sources);
    if (rc != PROXIMADB_OK)
        return rc;
    header.crc = px_crc32c(0, &header, offsetof(struct header, crc));
    rc = write_at(output, &header, sizeof header, 0, reterr);
    if (rc == PROXIMADB_OK && output->fs->sync_data(output->fs, output->fd) < 0)
        rc = px_fail_file(reterr, "cannot sync '%s'", output->path);
    return rc;
}

int px_graph_save(const struct px_graph *graph, struct px_fs *fs, const char *path,
                  struct proximadb_error *reterr)
{
    struct output output = {.fs = fs, .path = path, .buffer = malloc(COPY_BYTES)};
    if (output.buffer == NULL)
        return px_fail_no_memory(reterr);
    output.fd = fs->open(fs, path, PX_FS_CREATE);
    if (output.fd < 0) {
        free(output.buffer);
        return px_fail_file(reterr, "cannot create '%s'", path);
    }
    int rc = write_all((struct px_graph *)(uintptr_t)graph, &output, reterr);
    (void)fs->close(fs, output.fd);
    free(output.buffer);
    if (rc != PROXIMADB_OK)
        (void)fs->unlink(fs, path);
    return rc;
}

/* ---- opening -------------------------------------------------------------------------------- */

struct input {
    struct px_fs *fs;
    const char *path;
    int fd;
    struct header header;
};

static int read_at(const struct input *input, void *data, size_t size_bytes, uint64_t offset,
                   struct proximadb_error *reterr)
{
    int64_t got = input->fs->read_at(input->fs, input->fd, data, size_bytes, offset);
    if (got < 0)
        return px_fail_file(reterr, "cannot read '%s'", input->path);
    if ((uint64_t)got != size_bytes)
        return px_fail(reterr, PROXIMADB_CORRUPT, "'%s' ends too early", input->path);
    return PROXIMADB_OK;
}

static int fail_corrupt(const struct input *input, const char *reason,
                        struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_CORRUPT, "'%s' is damaged: %s", input->path, reason);
}

static int check_header(const struct input *input, struct px_graph *graph,
                        struct proximadb_error *reterr)
{
    const struct header *header = &input->header;
    if (memcmp(header->magic, magic, sizeof magic) != 0)
        return fail_corrupt(input, "it does not begin like a graph", reterr);
    if (px_crc32c(0, header, offsetof(struct header, crc)) != header->crc)
        return fail_corrupt(input, "the header's checksum is wrong", reterr);
    if (header->version > FORMAT_VERSION)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "'%s' has version %u of the format, this program reads up to %d: upgrade",
                       input->path, header->version, FORMAT_VERSION);
    if (header->dim_count != graph->config.dim_count ||
        header->metric != (uint32_t)graph->config.metric ||
        header->memory != (uint32_t)graph->config.memory)
        return fail_corrupt(input, "it is of a collection with other settings", reterr);
    if (header->padding != 0)
        return fail_corrupt(input, "there is something behind the header", reterr);
    if (!px_graph__set_planes(graph, header->version == FIRST_VERSION ? 1 : header->plane_count))
        return fail_corrupt(input, "its lines have planes that no graph has", reterr);
    if (header->fine_bytes == 0)
        graph->fine_bytes = 0; /* of the first version, or of one that began as that */
    if (header->version == 0 || header->fine_bytes != graph->fine_bytes ||
        header->padded != graph->padded || header->line_bytes != graph->line_bytes ||
        header->degree != graph->degree || header->rotation_seed != PX_GRAPH__ROTATION_SEED ||
        header->slot_count > PX_GRAPH__NONE - 1 || header->entry_count > PX_GRAPH__MOST_ENTRIES ||
        header->effort_count > PX_GRAPH__MOST_EFFORTS || !isfinite(header->unit) ||
        !(header->unit > 0) || !isfinite(header->most_norm) || header->most_norm < 0)
        return fail_corrupt(input, "its header makes no sense", reterr);
    return PROXIMADB_OK;
}

static int check_size(const struct input *input, struct proximadb_error *reterr)
{
    struct px_fs_info info;
    if (input->fs->info(input->fs, input->path, &info) < 0)
        return px_fail_file(reterr, "cannot look at '%s'", input->path);
    if (info.size_bytes != section_offset(&input->header, (enum section)SECTION_COUNT))
        return fail_corrupt(input, "its size is not what the header says", reterr);
    return PROXIMADB_OK;
}

static int read_section(const struct input *input, enum section section, void *data,
                        struct proximadb_error *reterr)
{
    size_t left = section_bytes(&input->header, section), count;
    uint64_t offset = section_offset(&input->header, section);
    uint32_t crc = 0;
    uint8_t *next = data;
    for (; left > 0; left -= count, next += count, offset += count) {
        count = left < COPY_BYTES ? left : COPY_BYTES;
        int rc = read_at(input, next, count, offset, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        crc = px_crc32c(crc, next, count);
    }
    if (crc != input->header.section_crcs[section])
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "'%s' is damaged: the checksum of its %s is wrong", input->path,
                       section_names[section]);
    return PROXIMADB_OK;
}

/* What fills a section up to a multiple of ALIGNMENT is zero. */
static int check_padding(const struct input *input, enum section section,
                         struct proximadb_error *reterr)
{
    uint8_t padding[ALIGNMENT] = {0};
    size_t bytes = section_bytes(&input->header, section);
    size_t count = px_round_up(bytes, ALIGNMENT) - bytes;
    int rc = PROXIMADB_OK;
    if (count > 0)
        rc =
            read_at(input, padding, count, section_offset(&input->header, section) + bytes, reterr);
    for (size_t i = 0; i < count && rc == PROXIMADB_OK; i++)
        if (padding[i] != 0)
            rc = fail_corrupt(input, "there is something between two sections", reterr);
    return rc;
}

static int read_sections(const struct input *input, struct px_graph *graph,
                         struct proximadb_error *reterr)
{
    uint32_t entries[PX_GRAPH__MOST_ENTRIES];
    struct stored_effort efforts[PX_GRAPH__MOST_EFFORTS];
    void *const data[SECTION_COUNT] = {
        graph->mean,        entries,           efforts,
        graph->lines.data,  graph->lists.data, graph->magnitudes.data,
        graph->labels.data, graph->fine.data};
    for (int i = 0; i < SECTION_COUNT; i++) {
        int rc = read_section(input, (enum section)i, data[i], reterr);
        if (rc == PROXIMADB_OK)
            rc = check_padding(input, (enum section)i, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    for (uint32_t i = 0; i < input->header.entry_count; i++)
        atomic_store(&graph->entries[i], entries[i]);
    for (uint32_t i = 0; i < input->header.effort_count; i++)
        graph->efforts[i] = (struct px_graph__effort){efforts[i].k, efforts[i].recall,
                                                      efforts[i].reach, efforts[i].beam};
    return PROXIMADB_OK;
}

/* ---- checking content ----------------------------------------------------------------------- */

/* That a walk over lists stays within the slots that hold a vector. */
static const char *check_slot(const struct px_graph *graph, const struct px_graph__view *view,
                              uint32_t slot)
{
    const struct px_graph__factors *factors = px_graph__factors(view, slot);
    const _Atomic uint32_t *list = px_graph__list(view, slot);
    float scale = px_graph__scale(view, slot);
    if (!isfinite(scale) || !isfinite(factors->norm) || !isfinite(factors->sign_factor) ||
        !isfinite(factors->added) ||
        (view->fine_stride > 0 &&
         !isfinite(px_load_f32(view->fine + slot * view->fine_stride + graph->padded))))
        return "a factor is not finite";
    bool has_ended = false;
    for (size_t i = 0; i < view->degree; i++) {
        uint32_t next = atomic_load_explicit(&list[i], memory_order_relaxed);
        if (next == PX_GRAPH__NONE) {
            has_ended = true;
            continue;
        }
        if (has_ended || next >= atomic_load(&graph->slot_count) || !(scale > 0) ||
            px_graph__scale_bits(view, next) == 0)
            return "a list leads nowhere";
    }
    return NULL;
}

static const char *check_efforts(const struct px_graph *graph)
{
    for (uint32_t i = 0; i < graph->effort_count; i++) {
        const struct px_graph__effort *effort = &graph->efforts[i];
        const struct px_graph__effort *last = i > 0 ? effort - 1 : NULL;
        if (!(effort->recall > 0 && effort->recall < 1) || !isfinite(effort->reach) ||
            !(effort->reach > 0) || effort->beam == 0 || effort->beam > PX_GRAPH_MOST_K ||
            effort->k == 0 || effort->k > effort->beam ||
            (last != NULL &&
             (last->k > effort->k || (last->k == effort->k && last->recall >= effort->recall))))
            return "an effort makes no sense";
    }
    return NULL;
}

static const char *check_rest(const struct px_graph *graph, const struct px_graph__view *view)
{
    for (uint32_t i = 0; i < graph->config.dim_count; i++)
        if (!isfinite(graph->mean[i]))
            return "the mean is not finite";
    for (uint32_t i = 0; i < atomic_load(&graph->entry_count); i++) {
        uint32_t slot = atomic_load(&graph->entries[i]);
        if (slot >= atomic_load(&graph->slot_count) || px_graph__scale_bits(view, slot) == 0)
            return "an entry point leads nowhere";
    }
    return check_efforts(graph);
}

/* Counts the dead, and finds the vacant slots. */
static int take_stock(struct px_graph *graph, const struct px_graph__view *view,
                      struct proximadb_error *reterr)
{
    uint32_t dead_count = 0;
    for (uint32_t slot = atomic_load(&graph->slot_count); slot-- > 0;) {
        uint32_t bits = px_graph__scale_bits(view, slot);
        dead_count += (bits & PX_GRAPH__DEAD_BIT) != 0;
        if (bits == 0) {
            int rc = px_graph__give_slots(graph, &slot, 1, reterr);
            if (rc != PROXIMADB_OK)
                return rc;
        }
    }
    atomic_store(&graph->dead_count, dead_count);
    return PROXIMADB_OK;
}

static int check_content(const struct input *input, struct px_graph *graph,
                         struct proximadb_error *reterr)
{
    struct px_graph__view view = px_graph__view_of(graph);
    const char *reason = check_rest(graph, &view);
    for (uint32_t slot = 0; slot < input->header.slot_count && reason == NULL; slot++)
        reason = check_slot(graph, &view, slot);
    if (reason != NULL)
        return fail_corrupt(input, reason, reterr);
    px_graph__rotate_mean(graph);
    px_graph__find_longest(graph, NULL);
    return take_stock(graph, &view, reterr);
}

static int read_graph(struct input *input, struct px_graph *graph, struct proximadb_error *reterr)
{
    const struct header *header = &input->header;
    int rc = read_at(input, &input->header, sizeof input->header, 0, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_header(input, graph, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_size(input, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph__reserve(graph, header->slot_count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    graph->unit = header->unit;
    graph->most_norm = header->most_norm;
    graph->calibrated_count = header->calibrated_count;
    graph->effort_count = header->effort_count;
    atomic_store(&graph->slot_count, header->slot_count);
    atomic_store(&graph->entry_count, header->entry_count);
    rc = read_sections(input, graph, reterr);
    return rc == PROXIMADB_OK ? check_content(input, graph, reterr) : rc;
}

int px_graph_open(struct px_fs *fs, const char *path, const struct px_graph_config *config,
                  struct px_graph **ret_graph, struct proximadb_error *reterr)
{
    struct px_graph *graph;
    struct input input = {.fs = fs, .path = path};
    int rc = px_graph__new(config, &graph, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    input.fd = fs->open(fs, path, PX_FS_READ);
    if (input.fd < 0) {
        rc = px_fail_file(reterr, "cannot open '%s'", path);
    } else {
        rc = read_graph(&input, graph, reterr);
        (void)fs->close(fs, input.fd);
    }
    if (rc != PROXIMADB_OK) {
        px_graph_free(graph);
        return rc;
    }
    *ret_graph = graph;
    return PROXIMADB_OK;
}
