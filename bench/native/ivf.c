/*
 * ivf: the inverted index of axis/ivf.h by itself, over vectors in files of NumPy.
 *
 *      bench_ivf build  INDEX BASE.npy cosine|l2|dot LIST_ROWS
 *      bench_ivf search INDEX QUERIES.npy TRUTH.npy K ROUNDS [PROBE_COUNT...]
 *
 * build   Clusters the rows with the engine's k-means, LIST_ROWS to a list, and writes INDEX, and
 *         INDEX.rows: for each row of the index, its number in BASE (uint32). One line:
 *
 *              built ROWS SECONDS_OF_LISTS SECONDS_OF_CODES BYTES_A_ROW
 *
 * search  Asks the queries one at a time and all at once, ROUNDS times each, looking at PROBE_COUNT
 *         blocks; without any, at those that a calibration on rows of the index gives for .9, .95,
 *         .97 and .99. TRUTH has the numbers of the nearest rows (int32). For each one line, with
 *         the best of the rounds:
 *
 *              PROBE_COUNT RECALL QPS RECALL_ALL_AT_ONCE QPS_ALL_AT_ONCE
 *
 *         K candidates are asked for, and the recall is of the ten nearest among them.
 */
#include "axis/ivf.h"
#include "base/clock.h"
#include "viper/kmeans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_BYTES = 10, TEN = 10, PATH_BYTES = 4096, POINTS = 4 };

struct matrix {
    size_t row_count;
    size_t dim_count;
    void *data; /* of four bytes each; owned */
};

static void die(const char *what, const char *about)
{
    fprintf(stderr, "bench_ivf: %s %s\n", what, about);
    exit(1);
}

static void *allocate(size_t size_bytes)
{
    void *data = malloc(size_bytes + 1);
    if (data == NULL)
        die("no memory", "");
    return data;
}

/* Reads a matrix of float32 or int32 in C order. */
static struct matrix read_matrix(const char *path)
{
    struct matrix matrix = {0};
    unsigned char prefix[PREFIX_BYTES];
    FILE *file = fopen(path, "rb");
    if (file == NULL || fread(prefix, 1, sizeof prefix, file) != sizeof prefix ||
        memcmp(prefix, "\x93NUMPY\x01\x00", 8) != 0)
        die("cannot read, or not NumPy's format 1.0:", path);
    size_t header_bytes = prefix[8] + 256u * prefix[9];
    char *header = allocate(header_bytes);
    if (fread(header, 1, header_bytes, file) != header_bytes)
        die("cannot read the header of", path);
    header[header_bytes] = '\0';
    const char *shape = strstr(header, "'shape': (");
    if ((strstr(header, "'<f4'") == NULL && strstr(header, "'<i4'") == NULL) || shape == NULL ||
        sscanf(shape, "'shape': (%zu, %zu)", &matrix.row_count, &matrix.dim_count) != 2)
        die("not a matrix of float32 or int32:", path);
    size_t count = matrix.row_count * matrix.dim_count;
    matrix.data = allocate(count * 4);
    if (fread(matrix.data, 4, count, file) != count)
        die("cannot read the rows of", path);
    free(header);
    fclose(file);
    return matrix;
}

static double seconds_since(int64_t begin_ns)
{
    return (double)(px_clock_now_ns() - begin_ns) * 1e-9;
}

/* ---- build ---------------------------------------------------------------------------------- */

/* Rows in the order of their lists. */
struct ordered {
    struct matrix base;
    uint32_t *rows; /* owned */
};

static int read_sample(void *context, const uint64_t *row_indexes, size_t count, float *ret_vectors,
                       struct proximadb_error *reterr)
{
    const struct matrix *base = context;
    size_t row_bytes = base->dim_count * sizeof(float);
    (void)reterr;
    for (size_t i = 0; i < count; i++)
        memcpy(ret_vectors + i * base->dim_count,
               (const char *)base->data + row_indexes[i] * row_bytes, row_bytes);
    return PROXIMADB_OK;
}

static int read_rows(void *context, uint32_t first_row, uint32_t row_count, float *ret_vectors,
                     struct proximadb_error *reterr)
{
    const struct ordered *ordered = context;
    size_t row_bytes = ordered->base.dim_count * sizeof(float);
    (void)reterr;
    for (uint32_t i = 0; i < row_count; i++)
        memcpy(ret_vectors + i * ordered->base.dim_count,
               (const char *)ordered->base.data + ordered->rows[first_row + i] * row_bytes,
               row_bytes);
    return PROXIMADB_OK;
}

static enum proximadb_metric parse_metric(const char *word)
{
    static const char *words[] = {"cosine", "l2", "dot"};
    for (int i = 0; i < 3; i++)
        if (strcmp(word, words[i]) == 0)
            return (enum proximadb_metric)i;
    die("unknown metric", word);
    return PROXIMADB_L2;
}

/* Clusters; the lists of the ordered rows. */
static struct px_ivf_list *make_lists(struct ordered *ordered, enum proximadb_metric metric,
                                      size_t list_rows, size_t *ret_count)
{
    struct matrix *base = &ordered->base;
    struct px_kmeans_options options = {
        .metric = metric,
        .dim_count = (uint32_t)base->dim_count,
        .list_count = (uint32_t)((base->row_count + list_rows - 1) / list_rows),
        .seed = 7};
    struct px_kmeans_input input = {
        .row_count = base->row_count, .read = read_sample, .context = base};
    struct px_kmeans kmeans;
    struct proximadb_error error;
    if (px_kmeans_train(&options, &input, &kmeans, &error) != PROXIMADB_OK)
        die("cannot cluster:", error.message);
    struct px_rows all = {base->data, base->dim_count * sizeof(float), base->row_count,
                          base->dim_count};
    uint32_t *list_of = allocate(base->row_count * sizeof *list_of);
    px_kmeans_assign(&kmeans, &all, list_of, NULL);
    struct px_ivf_list *lists = calloc(kmeans.centroids.row_count, sizeof *lists);
    ordered->rows = allocate(base->row_count * sizeof *ordered->rows);
    uint32_t filled = 0;
    size_t count = 0;
    for (uint32_t list = 0; list < kmeans.centroids.row_count; list++) {
        lists[count] = (struct px_ivf_list){.id = list, .first_row = filled};
        for (uint32_t row = 0; row < base->row_count; row++)
            if (list_of[row] == list)
                ordered->rows[filled++] = row;
        lists[count].row_count = filled - lists[count].first_row;
        count += lists[count].row_count > 0;
    }
    px_kmeans_release(&kmeans);
    free(list_of);
    *ret_count = count;
    return lists;
}

static void write_rows(const char *index, const struct ordered *ordered)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s.rows", index);
    FILE *file = fopen(path, "wb");
    if (file == NULL ||
        fwrite(ordered->rows, sizeof *ordered->rows, ordered->base.row_count, file) !=
            ordered->base.row_count ||
        fclose(file) != 0)
        die("cannot write", path);
}

static int build(const char *index, const char *base, const char *metric, const char *list_rows)
{
    struct ordered ordered = {.base = read_matrix(base)};
    int64_t begin_ns = px_clock_now_ns();
    struct px_ivf_input input = {.read = read_rows, .context = &ordered};
    input.identity = (struct px_ivf_identity){.dim_count = (uint32_t)ordered.base.dim_count,
                                              .metric = parse_metric(metric)};
    struct px_ivf_list *lists = make_lists(&ordered, input.identity.metric,
                                           strtoul(list_rows, NULL, 10), &input.list_count);
    double list_seconds = seconds_since(begin_ns);
    struct px_ivf *ivf;
    struct proximadb_error error;
    input.lists = lists;
    begin_ns = px_clock_now_ns();
    if (px_ivf_build(&input, &ivf, &error) != PROXIMADB_OK)
        die("cannot build:", error.message);
    double code_seconds = seconds_since(begin_ns);
    if (px_ivf_save(ivf, &px_fs_posix, index, &error) != PROXIMADB_OK)
        die("cannot save:", error.message);
    write_rows(index, &ordered);
    printf("built %zu %.2f %.2f %.1f\n", ordered.base.row_count, list_seconds, code_seconds,
           (double)px_ivf_info(ivf).size_bytes / (double)ordered.base.row_count);
    px_ivf_close(ivf);
    free(lists);
    free(ordered.rows);
    free(ordered.base.data);
    return 0;
}

/* ---- search --------------------------------------------------------------------------------- */

struct session {
    struct px_ivf *ivf;
    struct px_ivf_searcher *searcher;
    uint32_t *rows; /* owned; of the index in the base */
    struct matrix queries;
    struct matrix truth;
    uint32_t k;
    int round_count;
    struct px_ivf_hit *hits;
    uint32_t *counts;
};

static void load_rows(struct session *session, const char *index)
{
    char path[PATH_BYTES];
    size_t count = px_ivf_info(session->ivf).row_count;
    snprintf(path, sizeof path, "%s.rows", index);
    session->rows = allocate(count * sizeof *session->rows);
    FILE *file = fopen(path, "rb");
    if (file == NULL || fread(session->rows, sizeof *session->rows, count, file) != count)
        die("cannot read", path);
    fclose(file);
}

static double recall_of(const struct session *session)
{
    size_t found = 0;
    for (size_t q = 0; q < session->queries.row_count; q++) {
        const int32_t *truth = (const int32_t *)session->truth.data + q * session->truth.dim_count;
        for (uint32_t i = 0; i < session->counts[q]; i++)
            for (size_t t = 0; t < TEN; t++)
                found += session->rows[session->hits[q * session->k + i].row_index] ==
                         (uint32_t)truth[t];
    }
    return (double)found / (double)(TEN * session->queries.row_count);
}

/* Seconds of a round, so many queries at a time. */
static double run_round(struct session *session, uint32_t probe_count, size_t at_once)
{
    const struct px_ivf *parts[] = {session->ivf};
    struct px_ivf_set set = {parts, 1};
    struct px_ivf_request request = {.k = session->k, .probe_count = probe_count};
    size_t row_bytes = session->queries.dim_count * sizeof(float);
    struct proximadb_error error;
    int64_t begin_ns = px_clock_now_ns();
    for (size_t first = 0; first < session->queries.row_count; first += at_once) {
        request.queries = (struct px_rows){(const char *)session->queries.data + first * row_bytes,
                                           row_bytes, at_once, session->queries.dim_count};
        if (px_ivf_search(session->searcher, &set, &request, session->hits + first * session->k,
                          session->counts + first, &error) != PROXIMADB_OK)
            die("cannot search:", error.message);
    }
    return seconds_since(begin_ns);
}

static double best_round(struct session *session, uint32_t probe_count, size_t at_once)
{
    double best = run_round(session, probe_count, at_once);
    for (int round = 1; round < session->round_count; round++) {
        double seconds = run_round(session, probe_count, at_once);
        best = seconds < best ? seconds : best;
    }
    return best;
}

static void measure(struct session *session, uint32_t probe_count)
{
    double count = (double)session->queries.row_count;
    double single = best_round(session, probe_count, 1);
    double recall = recall_of(session);
    double together = best_round(session, probe_count, session->queries.row_count);
    double recall_together = recall_of(session);
    printf("%u %.4f %.0f %.4f %.0f\n", probe_count, recall, count / single, recall_together,
           count / together);
    fflush(stdout);
}

static void measure_calibrated(struct session *session)
{
    static const double recalls[POINTS] = {.9, .95, .97, .99};
    const struct px_ivf *parts[] = {session->ivf};
    struct px_ivf_set set = {parts, 1};
    struct px_ivf_calibration calibration;
    struct px_ivf_calibrating calibrating = {0};
    struct proximadb_error error;
    int64_t begin_ns = px_clock_now_ns();
    if (px_ivf_calibrate(&set, &calibrating, &calibration, &error) != PROXIMADB_OK)
        die("cannot calibrate:", error.message);
    printf("calibrated in %.2f s\n", seconds_since(begin_ns));
    for (int i = 0; i < POINTS; i++) {
        printf("%.2f: ", recalls[i]);
        measure(session,
                px_ivf_probe_count(&calibration, recalls[i], px_ivf_info(session->ivf).row_count));
    }
}

static int search(int word_count, char **words)
{
    struct session session = {.queries = read_matrix(words[1]), .truth = read_matrix(words[2])};
    struct proximadb_error error;
    session.k = (uint32_t)strtoul(words[3], NULL, 10);
    session.round_count = (int)strtol(words[4], NULL, 10);
    if (session.k < TEN || session.truth.dim_count < TEN ||
        session.truth.row_count != session.queries.row_count)
        die("K and the truth have ten rows a query at least:", words[2]);
    if (px_ivf_load(&px_fs_posix, words[0], NULL, &session.ivf, &error) != PROXIMADB_OK ||
        px_ivf_searcher_new(&session.searcher, &error) != PROXIMADB_OK)
        die("cannot open:", error.message);
    load_rows(&session, words[0]);
    session.hits = allocate(session.queries.row_count * session.k * sizeof *session.hits);
    session.counts = allocate(session.queries.row_count * sizeof *session.counts);
    for (int i = 5; i < word_count; i++)
        measure(&session, (uint32_t)strtoul(words[i], NULL, 10));
    if (word_count == 5)
        measure_calibrated(&session);
    px_ivf_searcher_free(session.searcher);
    px_ivf_close(session.ivf);
    free(session.rows);
    free(session.hits);
    free(session.counts);
    free(session.queries.data);
    free(session.truth.data);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "build") == 0)
        return build(argv[2], argv[3], argv[4], argv[5]);
    if (argc >= 7 && strcmp(argv[1], "search") == 0)
        return search(argc - 2, argv + 2);
    fprintf(stderr,
            "usage: bench_ivf build  INDEX BASE.npy cosine|l2|dot LIST_ROWS\n"
            "       bench_ivf search INDEX QUERIES.npy TRUTH.npy K ROUNDS [PROBE_COUNT...]\n");
    return 2;
}
