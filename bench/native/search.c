/*
 * search: exact search in process, through libproximadb and nothing else.
 *
 *      bench_search DATA COLLECTION QUERIES DIM_COUNT K ROUNDS THREADS
 *
 * Opens the data folder, which no server may hold, and asks each query of the file QUERIES (float32,
 * row by row) ROUNDS times, one at a time, behind one round that is not timed and maps the files.
 * THREADS is the engine's worker_count; 0 for its default. One line an answer on standard output:
 *
 *      ROUND QUERY NANOSECONDS ID SCORE ID SCORE ...
 *
 * The time is from the query's floats to the last id and score read from the answer.
 */
#include <proximadb.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define K_LIMIT        10000
#define ID_LIMIT_BYTES 512

struct answer {
    size_t hit_count;
    struct {
        char id[ID_LIMIT_BYTES + 1];
        double score;
    } hits[];
};

struct session {
    proximadb *db;
    const char *collection;
    float *queries; /* query_count * dim_count */
    size_t query_count;
    size_t dim_count;
    uint64_t k;
    struct answer *answer; /* room for k hits */
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Keeps the hits of a response, which is taken. */
static int read_answer(struct session *session, struct proximadb_buffer *response,
                       struct proximadb_error *error)
{
    proximadb_reader *reader;
    int rc = proximadb_reader_new(response, &reader, error);
    if (rc != PROXIMADB_OK)
        return rc;
    struct answer *answer = session->answer;
    struct proximadb_hit hit;
    error->status = PROXIMADB_OK;
    answer->hit_count = 0;
    while (answer->hit_count < session->k && proximadb_reader_next(reader, &hit, error)) {
        size_t size_bytes = hit.id.size_bytes < ID_LIMIT_BYTES ? hit.id.size_bytes : ID_LIMIT_BYTES;
        memcpy(answer->hits[answer->hit_count].id, hit.id.data, size_bytes);
        answer->hits[answer->hit_count].id[size_bytes] = '\0';
        answer->hits[answer->hit_count++].score = hit.score;
    }
    proximadb_reader_free(reader);
    return error->status;
}

/* One search, from floats to hits in session->answer. */
static int search(struct session *session, size_t query_index, struct proximadb_error *error)
{
    struct proximadb_search_options options = {
        .struct_size = sizeof options,
        .queries = session->queries + query_index * session->dim_count,
        .query_count = 1,
        .dim_count = session->dim_count,
        .k = session->k,
        .exact = true,
    };
    struct proximadb_request request = {
        .struct_size = sizeof request,
        .operation = PROXIMADB_SEARCH,
        .collection = session->collection,
        .collection_size_bytes = strlen(session->collection),
    };
    struct proximadb_buffer response;
    int rc = proximadb_encode_search(&options, &request.payload, error);
    if (rc == PROXIMADB_OK)
        rc = proximadb_call(session->db, &request, &response, error);
    if (rc == PROXIMADB_OK)
        rc = read_answer(session, &response, error);
    return rc;
}

static void print_answer(const struct answer *answer, int round, size_t query_index,
                         int64_t took_ns)
{
    printf("%d %zu %" PRId64, round, query_index, took_ns);
    for (size_t i = 0; i < answer->hit_count; i++)
        printf(" %s %.9g", answer->hits[i].id, answer->hits[i].score);
    putchar('\n');
}

/* All rounds; the first, number -1, is not printed. */
static int run(struct session *session, int round_count)
{
    struct proximadb_error error;
    for (int round = -1; round < round_count; round++)
        for (size_t i = 0; i < session->query_count; i++) {
            int64_t began_ns = now_ns();
            if (search(session, i, &error) != PROXIMADB_OK) {
                fprintf(stderr, "bench_search: %s\n", error.message);
                return 1;
            }
            if (round >= 0)
                print_answer(session->answer, round, i, now_ns() - began_ns);
        }
    return 0;
}

/* Reads all floats of the file; false if it is none, or not a whole number of queries. */
static bool load_queries(struct session *session, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    size_t row_bytes = session->dim_count * sizeof *session->queries;
    bool loaded = false;
    if (fseek(file, 0, SEEK_END) == 0) {
        long size_bytes = ftell(file);
        rewind(file);
        session->query_count = size_bytes > 0 ? (size_t)size_bytes / row_bytes : 0;
        session->queries = calloc(session->query_count + 1, row_bytes);
        loaded =
            session->queries != NULL && session->query_count * row_bytes == (size_t)size_bytes &&
            fread(session->queries, row_bytes, session->query_count, file) == session->query_count;
    }
    fclose(file);
    return loaded && session->query_count > 0;
}

static int open_and_run(struct session *session, char **argv)
{
    struct proximadb_error error;
    struct proximadb_options options = {
        .struct_size = sizeof options,
        .worker_count = (uint32_t)strtoul(argv[7], NULL, 10),
    };
    if (!load_queries(session, argv[3])) {
        fprintf(stderr, "bench_search: %s has no queries of %zu floats\n", argv[3],
                session->dim_count);
        return 1;
    }
    if (proximadb_open(argv[1], &options, &session->db, &error) != PROXIMADB_OK) {
        fprintf(stderr, "bench_search: %s\n", error.message);
        return 1;
    }
    int status = run(session, (int)strtol(argv[6], NULL, 10));
    proximadb_close(session->db);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "usage: bench_search DATA COLLECTION QUERIES DIM_COUNT K ROUNDS THREADS\n");
        return 2;
    }
    struct session session = {
        .collection = argv[2],
        .dim_count = strtoul(argv[4], NULL, 10),
        .k = strtoull(argv[5], NULL, 10),
    };
    if (session.dim_count == 0 || session.k == 0 || session.k > K_LIMIT) {
        fprintf(stderr, "bench_search: DIM_COUNT and K are 1 or more, K at most %d\n", K_LIMIT);
        return 2;
    }
    session.answer = calloc(1, sizeof *session.answer + session.k * sizeof session.answer->hits[0]);
    int status = 1;
    if (session.answer != NULL)
        status = open_and_run(&session, argv);
    free(session.answer);
    free(session.queries);
    return status;
}
