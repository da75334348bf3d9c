/*
 * kmeans_tool: clusters the rows of a NumPy file, for tests/interop/test_kmeans_faiss.py.
 *
 *      kmeans_tool VECTORS.npy LIST_COUNT cosine|l2|dot SEED OUTPUT [THREADS]
 *
 * VECTORS.npy is a float32 matrix in C order. Writes OUTPUT.centroids.npy (float32, a row per list)
 * and OUTPUT.lists.npy (uint32, a list per row), and prints two lines: "train SECONDS", "assign
 * SECONDS". THREADS work, the main one included; default 1.
 */
#include "base/clock.h"
#include "os/crew.h"
#include "viper/kmeans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 128, PREFIX_BYTES = 10 };

struct matrix {
    size_t row_count;
    size_t dim_count;
    float *data;
};

static void die(const char *what, const char *about)
{
    fprintf(stderr, "kmeans_tool: %s %s\n", what, about);
    exit(1);
}

/* The header is a Python dict: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } */
static void parse_header(const char *header, const char *path, struct matrix *ret)
{
    const char *shape = strstr(header, "'shape': (");
    if (strstr(header, "'<f4'") == NULL || strstr(header, "'fortran_order': False") == NULL ||
        shape == NULL ||
        sscanf(shape, "'shape': (%zu, %zu)", &ret->row_count, &ret->dim_count) != 2)
        die("not a float32 matrix in C order:", path);
}

static struct matrix read_matrix(const char *path)
{
    struct matrix matrix = {0};
    unsigned char prefix[PREFIX_BYTES];
    FILE *file = fopen(path, "rb");
    if (file == NULL || fread(prefix, 1, sizeof prefix, file) != sizeof prefix ||
        memcmp(prefix, "\x93NUMPY\x01\x00", 8) != 0)
        die("cannot read, or not NumPy's format 1.0:", path);
    size_t header_bytes = prefix[8] + 256u * prefix[9];
    char *header = calloc(1, header_bytes + 1);
    if (header == NULL || fread(header, 1, header_bytes, file) != header_bytes)
        die("cannot read the header of", path);
    parse_header(header, path, &matrix);
    size_t count = matrix.row_count * matrix.dim_count;
    matrix.data = malloc(count * sizeof(float) + 1);
    if (matrix.data == NULL || fread(matrix.data, sizeof(float), count, file) != count)
        die("cannot read the rows of", path);
    free(header);
    fclose(file);
    return matrix;
}

/* Writes rows of 4-byte values; type is NumPy's, shape as in the header. */
static void write_array(const char *output, const char *suffix, const char *type, const char *shape,
                        const struct px_rows *rows)
{
    char path[4096], header[HEADER_BYTES + 1];
    snprintf(path, sizeof path, "%s.%s.npy", output, suffix);
    int size =
        snprintf(header, sizeof header,
                 "\x93NUMPY\x01%c\x76%c{'descr': '%s', 'fortran_order': False, 'shape': %s, }", 0,
                 0, type, shape);
    memset(header + size, ' ', (size_t)(HEADER_BYTES - size));
    header[HEADER_BYTES - 1] = '\n';
    FILE *file = fopen(path, "wb");
    bool good = file != NULL && fwrite(header, 1, HEADER_BYTES, file) == HEADER_BYTES;
    for (size_t r = 0; good && r < rows->row_count; r++)
        good = fwrite((const char *)rows->data + r * rows->stride_bytes, 4, rows->dim_count,
                      file) == rows->dim_count;
    if (!good || fclose(file) != 0)
        die("cannot write", path);
}

static int read_rows(void *context, const uint64_t *row_indexes, size_t count, float *ret_vectors,
                     struct proximadb_error *reterr)
{
    const struct matrix *matrix = context;
    (void)reterr;
    for (size_t i = 0; i < count; i++)
        memcpy(ret_vectors + i * matrix->dim_count,
               matrix->data + row_indexes[i] * matrix->dim_count,
               matrix->dim_count * sizeof(float));
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

static void print_time(const char *what, int64_t begin_ns)
{
    printf("%s %.3f\n", what, (double)(px_clock_now_ns() - begin_ns) * 1e-9);
}

static void write_results(const char *output, const struct px_kmeans *kmeans, const uint32_t *lists,
                          size_t row_count)
{
    char shape[64];
    struct px_rows rows = {lists, sizeof *lists, row_count, 1};
    snprintf(shape, sizeof shape, "(%zu, %zu)", kmeans->centroids.row_count,
             kmeans->centroids.dim_count);
    write_array(output, "centroids", "<f4", shape, &kmeans->centroids);
    snprintf(shape, sizeof shape, "(%zu,)", row_count);
    write_array(output, "lists", "<u4", shape, &rows);
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 6 && argument_count != 7)
        die("VECTORS.npy LIST_COUNT cosine|l2|dot SEED OUTPUT [THREADS]", "are wanted");
    unsigned helpers = argument_count == 7 ? (unsigned)atoi(arguments[6]) - 1 : 0;
    struct px_crew *crew = NULL;
    if (helpers > 0 && px_crew_open(helpers, "kmeans", &crew, NULL) != PROXIMADB_OK)
        die("cannot start threads:", arguments[6]);
    struct matrix matrix = read_matrix(arguments[1]);
    struct px_kmeans_options options = {.metric = parse_metric(arguments[3]),
                                        .dim_count = (uint32_t)matrix.dim_count,
                                        .list_count = (uint32_t)strtoul(arguments[2], NULL, 10),
                                        .seed = strtoull(arguments[4], NULL, 10),
                                        .crew = crew};
    struct px_kmeans_input input = {
        .row_count = matrix.row_count, .read = read_rows, .context = &matrix};
    struct px_kmeans kmeans;
    struct proximadb_error error;
    int64_t begin_ns = px_clock_now_ns();
    if (px_kmeans_train(&options, &input, &kmeans, &error) != PROXIMADB_OK)
        die("cannot cluster:", error.message);
    print_time("train", begin_ns);

    uint32_t *lists = malloc(matrix.row_count * sizeof *lists + 1);
    if (lists == NULL)
        die("no memory for", arguments[1]);
    struct px_rows all = {matrix.data, matrix.dim_count * sizeof(float), matrix.row_count,
                          matrix.dim_count};
    begin_ns = px_clock_now_ns();
    px_kmeans_assign_on(&kmeans, crew, &all, lists, NULL);
    print_time("assign", begin_ns);
    write_results(arguments[5], &kmeans, lists, matrix.row_count);
    px_crew_close(crew);
    px_kmeans_release(&kmeans);
    free(lists);
    free(matrix.data);
    return 0;
}
