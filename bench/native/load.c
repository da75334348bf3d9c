/*
 * load: gRPC calls at a server, so many of them in flight all the time.
 *
 *      bench_load PORT PATH REQUESTS ANSWERS CONNECTIONS IN_FLIGHT SECONDS
 *
 * REQUESTS holds messages as they go over the wire, each behind its size (uint32, little-endian),
 * and ANSWERS as many, which are the right ones: each answer is held against its own, byte by byte.
 * They are asked in order, again and again, until SECONDS have passed, from one thread, over
 * CONNECTIONS connections with IN_FLIGHT calls each. PATH is the method's, such as
 * /proximadb.v1.ProximaDB/VectorSearch; the server is one of this machine.
 *
 * The first line of standard output is the nanoseconds from the first request to the last answer;
 * then a line for each call: the nanoseconds from when it was made to when its stream ended. A
 * wrong answer, or a call that fails, ends the program with status 1 and no figure.
 */
#include <nghttp2/nghttp2.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PREFIX_BYTES     5 /* of gRPC, in front of a message */
#define MOST_CONNECTIONS 64
#define RECEIVE_BYTES    (64 << 10)
#define WINDOW_BYTES     (1 << 30)
#define FIRST_CALLS      (1 << 16)
#define NANOSECONDS_A_S  INT64_C(1000000000)
#define HEADER(key, text)                                                                 \
    {                                                                                     \
        .name = (uint8_t *)(key), .value = (uint8_t *)(text), .namelen = sizeof(key) - 1, \
        .valuelen = strlen(text)                                                          \
    }

struct message {
    const uint8_t *data; /* behind the prefix of gRPC, which is made here */
    size_t size_bytes;   /* with it */
};

struct messages {
    struct message *items;
    size_t count;
};

/* One that is under way; a finished one is used again. */
struct call {
    struct run *run;
    const struct message *request;
    const struct message *answer;
    size_t sent_bytes;
    size_t received_bytes; /* which were right so far */
    int64_t began_ns;
    bool is_right;
    bool is_ok; /* grpc-status was 0 */
};

struct connection {
    int socket;
    nghttp2_session *session;
    const uint8_t *unsent; /* of nghttp2's: what the socket did not take yet */
    size_t unsent_bytes;
};

struct run {
    const char *path;
    struct messages requests;
    struct messages answers;
    struct connection connections[MOST_CONNECTIONS];
    unsigned connection_count;
    unsigned in_flight_count; /* of each connection */
    struct call *calls;
    size_t open_count;
    uint64_t next; /* request */
    int64_t end_ns;
    int64_t *times_ns;
    size_t time_count, time_capacity;
    const char *failure; /* NULL: none */
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NANOSECONDS_A_S + now.tv_nsec;
}

static void fail(struct run *run, const char *why)
{
    if (run->failure == NULL)
        run->failure = why;
}

/* ---- files --------------------------------------------------------------------------------- */

static uint8_t *read_file(const char *path, size_t *ret_size_bytes)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        rewind(file);
        data = size > 0 ? malloc((size_t)size) : NULL;
        if (data != NULL && fread(data, 1, (size_t)size, file) != (size_t)size) {
            free(data);
            data = NULL;
        }
        *ret_size_bytes = (size_t)size;
    }
    fclose(file);
    return data;
}

static uint32_t load_u32(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* A message of the file with the prefix of gRPC; NULL without memory. */
static const uint8_t *make_message(const uint8_t *bytes, uint32_t size)
{
    uint8_t *message = malloc(PREFIX_BYTES + (size_t)size);
    if (message == NULL)
        return NULL;
    message[0] = 0;
    for (unsigned i = 0; i < sizeof size; i++)
        message[1 + i] = (uint8_t)(size >> (24 - 8 * i));
    memcpy(message + PREFIX_BYTES, bytes, size);
    return message;
}

/* False if the file cannot be read, or is no sequence of messages. They live until the end. */
static bool load_messages(const char *path, struct messages *ret_messages)
{
    size_t size_bytes = 0, at = 0;
    uint8_t *data = read_file(path, &size_bytes);
    struct messages messages = {
        .items = calloc(size_bytes / sizeof(uint32_t) + 1, sizeof(struct message))};
    bool is_good = data != NULL && messages.items != NULL;
    while (is_good && at + sizeof(uint32_t) <= size_bytes) {
        uint32_t size = load_u32(data + at);
        at += sizeof size;
        is_good = size <= size_bytes - at;
        if (!is_good)
            break;
        struct message *message = &messages.items[messages.count++];
        *message = (struct message){make_message(data + at, size), PREFIX_BYTES + (size_t)size};
        is_good = message->data != NULL;
        at += size;
    }
    free(data);
    *ret_messages = messages;
    return is_good && at == size_bytes && messages.count > 0;
}

/* ---- calls --------------------------------------------------------------------------------- */

static ssize_t give_request(nghttp2_session *session, int32_t stream_id, uint8_t *buffer,
                            size_t length, uint32_t *flags, nghttp2_data_source *source,
                            void *context)
{
    struct call *call = source->ptr;
    size_t left = call->request->size_bytes - call->sent_bytes;
    size_t taken = left < length ? left : length;
    (void)session, (void)stream_id, (void)context;
    memcpy(buffer, call->request->data + call->sent_bytes, taken);
    call->sent_bytes += taken;
    if (taken == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)taken;
}

static void start_call(nghttp2_session *session, struct call *call)
{
    struct run *run = call->run;
    const nghttp2_nv headers[] = {
        HEADER(":method", "POST"),
        HEADER(":scheme", "http"),
        HEADER(":path", run->path),
        HEADER(":authority", "127.0.0.1"),
        HEADER("content-type", "application/grpc"),
        HEADER("te", "trailers"),
    };
    size_t number = run->next++ % run->requests.count;
    *call = (struct call){.run = run,
                          .request = &run->requests.items[number],
                          .answer = &run->answers.items[number],
                          .began_ns = now_ns(),
                          .is_right = true};
    nghttp2_data_provider provider = {.source = {.ptr = call}, .read_callback = give_request};
    if (nghttp2_submit_request(session, NULL, headers, sizeof headers / sizeof headers[0],
                               &provider, call) < 0)
        fail(run, "no request could be made");
    run->open_count++;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *context)
{
    static const char status[] = "grpc-status";
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags, (void)context;
    if (call != NULL && name_bytes == sizeof status - 1 && memcmp(name, status, name_bytes) == 0)
        call->is_ok = value_bytes == 1 && value[0] == '0';
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size_bytes, void *context)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    (void)flags, (void)context;
    if (call == NULL)
        return 0;
    size_t at = call->received_bytes;
    call->is_right = call->is_right && size_bytes <= call->answer->size_bytes - at &&
                     memcmp(data, call->answer->data + at, size_bytes) == 0;
    call->received_bytes += size_bytes;
    return 0;
}

static void note_time(struct run *run, int64_t time_ns)
{
    if (run->time_count == run->time_capacity) {
        size_t capacity = run->time_capacity == 0 ? FIRST_CALLS : 2 * run->time_capacity;
        int64_t *grown = realloc(run->times_ns, capacity * sizeof *grown);
        if (grown == NULL) {
            fail(run, "there is no memory");
            return;
        }
        run->times_ns = grown;
        run->time_capacity = capacity;
    }
    run->times_ns[run->time_count++] = time_ns;
}

static int on_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *context)
{
    struct run *run = context;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    int64_t now = now_ns();
    if (call == NULL)
        return 0;
    run->open_count--;
    if (code != NGHTTP2_NO_ERROR || !call->is_ok)
        fail(run, "a call failed");
    else if (!call->is_right || call->received_bytes != call->answer->size_bytes)
        fail(run, "an answer was wrong");
    note_time(run, now - call->began_ns);
    if (now < run->end_ns && run->failure == NULL)
        start_call(session, call);
    return 0;
}

/* ---- connections --------------------------------------------------------------------------- */

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (descriptor < 0)
        return -1;
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0 &&
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0)
        return descriptor;
    close(descriptor);
    return -1;
}

static bool open_connection(struct run *run, struct connection *connection, uint16_t port)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES}};
    nghttp2_session_callbacks *callbacks;
    connection->socket = connect_to(port);
    if (connection->socket < 0 || nghttp2_session_callbacks_new(&callbacks) != 0)
        return false;
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    int rc = nghttp2_session_client_new(&connection->session, callbacks, run);
    nghttp2_session_callbacks_del(callbacks);
    return rc == 0 &&
           nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 1) == 0 &&
           nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0,
                                                 WINDOW_BYTES) == 0;
}

/* Sends what the session has, as far as the socket takes it. */
static void send_some(struct run *run, struct connection *connection)
{
    while (true) {
        if (connection->unsent_bytes == 0) {
            ssize_t size = nghttp2_session_mem_send(connection->session, &connection->unsent);
            if (size < 0)
                fail(run, "nothing could be sent");
            if (size <= 0)
                return;
            connection->unsent_bytes = (size_t)size;
        }
        ssize_t sent = send(connection->socket, connection->unsent, connection->unsent_bytes,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (sent < 0) {
            fail(run, "a connection broke");
            return;
        }
        connection->unsent += sent;
        connection->unsent_bytes -= (size_t)sent;
    }
}

static void receive_some(struct run *run, struct connection *connection)
{
    static uint8_t buffer[RECEIVE_BYTES];
    ssize_t size = recv(connection->socket, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0)
        fail(run, "the server closed a connection");
    else if (nghttp2_session_mem_recv(connection->session, buffer, (size_t)size) != size)
        fail(run, "the server broke the protocol");
}

static void wait_for_some(struct run *run)
{
    struct pollfd waiting[MOST_CONNECTIONS];
    for (unsigned i = 0; i < run->connection_count; i++) {
        const struct connection *connection = &run->connections[i];
        short events = (short)(POLLIN | (connection->unsent_bytes > 0 ? POLLOUT : 0));
        waiting[i] = (struct pollfd){.fd = connection->socket, .events = events};
    }
    if (poll(waiting, run->connection_count, 10000) == 0)
        fail(run, "the server does not answer");
    for (unsigned i = 0; i < run->connection_count; i++)
        if ((waiting[i].revents & ~POLLOUT) != 0)
            receive_some(run, &run->connections[i]);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void work(struct run *run, double seconds)
{
    int64_t began_ns = now_ns();
    run->end_ns = began_ns + (int64_t)(seconds * (double)NANOSECONDS_A_S);
    for (unsigned i = 0; i < run->connection_count * run->in_flight_count; i++) {
        run->calls[i].run = run;
        start_call(run->connections[i % run->connection_count].session, &run->calls[i]);
    }
    while (run->open_count > 0 && run->failure == NULL) {
        for (unsigned i = 0; i < run->connection_count; i++)
            send_some(run, &run->connections[i]);
        wait_for_some(run);
    }
    if (run->failure == NULL)
        printf("%" PRId64 "\n", now_ns() - began_ns);
}

static void prepare(struct run *run, char **argv)
{
    unsigned long connections = strtoul(argv[5], NULL, 10), in_flight = strtoul(argv[6], NULL, 10);
    run->path = argv[2];
    if (!load_messages(argv[3], &run->requests) || !load_messages(argv[4], &run->answers) ||
        run->requests.count != run->answers.count) {
        fail(run, "the messages cannot be read");
        return;
    }
    if (connections == 0 || connections > MOST_CONNECTIONS || in_flight == 0 || in_flight > 10000) {
        fail(run, "1 to 64 connections and 1 to 10000 calls in flight are possible");
        return;
    }
    run->calls = calloc(connections * in_flight, sizeof *run->calls);
    if (run->calls == NULL)
        fail(run, "there is no memory");
    run->in_flight_count = (unsigned)in_flight;
    for (unsigned long i = 0; i < connections && run->failure == NULL; i++) {
        run->connection_count++;
        if (!open_connection(run, &run->connections[i], (uint16_t)strtoul(argv[1], NULL, 10)))
            fail(run, "the server cannot be reached");
    }
}

static void release(struct run *run)
{
    for (unsigned i = 0; i < run->connection_count; i++) {
        nghttp2_session_del(run->connections[i].session);
        if (run->connections[i].socket >= 0)
            close(run->connections[i].socket);
    }
    free(run->calls);
    free(run->times_ns);
}

int main(int argc, char **argv)
{
    struct run run = {0};
    if (argc != 8) {
        fputs("usage: bench_load PORT PATH REQUESTS ANSWERS CONNECTIONS IN_FLIGHT SECONDS\n",
              stderr);
        return 2;
    }
    prepare(&run, argv);
    if (run.failure == NULL)
        work(&run, strtod(argv[7], NULL));
    for (size_t i = 0; i < run.time_count && run.failure == NULL; i++)
        printf("%" PRId64 "\n", run.times_ns[i]);
    if (run.failure != NULL)
        fprintf(stderr, "bench_load: %s\n", run.failure);
    release(&run);
    return run.failure == NULL ? 0 : 1;
}
