/*
 * Goal: bytes leave in the order they came, large ones without a copy, and an owner is released
 * exactly once, when its last byte is gone and not before.
 * Method: random operations on two queues against plain arrays; owners poison their bytes when they
 * are released, so a byte that is read too late is wrong.
 */
#include "http/send_queue.h"

#include "support/px_test.h"

static size_t live_owners;

static void release_owner(void *context)
{
    memset(context, 0xee, 1000);
    free(context);
    live_owners--;
}

/* size_bytes up to 1,000, of random content. */
static struct proximadb_buffer owned(struct px_test_random *random, size_t size_bytes)
{
    uint8_t *data = malloc(1000);
    for (size_t i = 0; i < size_bytes; i++)
        data[i] = (uint8_t)px_test_next(random);
    live_owners++;
    return (struct proximadb_buffer){
        .data = data, .size_bytes = size_bytes, .release = release_owner, .context = data};
}

static void flatten(const struct px_send_queue *queue, struct px_buffer *bytes)
{
    static struct iovec parts[4096];
    size_t count = px_send_queue_parts(queue, parts, 4096);
    px_buffer_clear(bytes);
    for (size_t i = 0; i < count; i++)
        px_buffer_append(bytes, parts[i].iov_base, parts[i].iov_len);
}

struct model {
    struct px_send_queue queue;
    struct px_buffer expected;
};

static void check(struct model *model)
{
    struct px_buffer bytes = {0};
    flatten(&model->queue, &bytes);
    assert_false(model->queue.failed);
    assert_int_equal(bytes.size_bytes, model->queue.size_bytes);
    assert_true(px_slice_equal(px_buffer_slice(&bytes), px_buffer_slice(&model->expected)));
    px_buffer_release(&bytes);
}

static void cut_front(struct px_buffer *buffer, size_t size_bytes)
{
    buffer->size_bytes -= size_bytes;
    if (buffer->size_bytes > 0)
        memmove(buffer->data, buffer->data + size_bytes, buffer->size_bytes);
}

static void step(struct px_test_random *random, struct model *from, struct model *to)
{
    struct proximadb_buffer buffer = owned(random, px_test_below(random, 1000));
    size_t part;
    switch (px_test_below(random, 5)) {
    case 0:
        px_buffer_append(&from->expected, buffer.data, buffer.size_bytes);
        px_send_queue_take(&from->queue, &buffer);
        assert_null(buffer.release);
        break;
    case 1:
        px_buffer_append(&from->expected, buffer.data, buffer.size_bytes);
        px_send_queue_copy(&from->queue, buffer.data, buffer.size_bytes);
        release_owner(buffer.context);
        break;
    case 2:
        release_owner(buffer.context);
        part = px_test_below(random, from->queue.size_bytes + 1);
        px_buffer_append(&to->expected, from->expected.data, part);
        cut_front(&from->expected, part);
        px_send_queue_move(&from->queue, &to->queue, part);
        break;
    case 3:
        release_owner(buffer.context);
        part = px_test_below(random, to->queue.size_bytes + 1);
        cut_front(&to->expected, part);
        px_send_queue_consume(&to->queue, part);
        break;
    default:
        release_owner(buffer.context);
        if (px_test_below(random, 8) > 0)
            break;
        px_send_queue_abandon(&from->queue, &to->queue);
        px_buffer_clear(&from->expected);
        break;
    }
}

static void test_send_queue__keeps_order_and_owners(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("send_queue");
    struct model from = {0};
    struct model to = {0};
    for (int i = 0; i < 30000; i++) {
        step(&random, &from, &to);
        if (i % 16 == 0 || i > 29900) {
            check(&from);
            check(&to);
        }
    }
    px_send_queue_consume(&to.queue, to.queue.size_bytes);
    px_send_queue_release(&from.queue);
    assert_int_equal(live_owners, 0);
    px_send_queue_release(&to.queue);
    px_buffer_release(&from.expected);
    px_buffer_release(&to.expected);
}

static void test_send_queue__does_not_copy_what_is_large(void **state)
{
    (void)state;
    struct px_test_random random = {.state = 1};
    struct px_send_queue from = {0};
    struct px_send_queue to = {0};
    struct iovec part;
    struct proximadb_buffer buffer = owned(&random, 1000);
    const uint8_t *data = buffer.data;
    px_send_queue_take(&from, &buffer);
    px_send_queue_move(&from, &to, 999);
    assert_int_equal(px_send_queue_parts(&to, &part, 1), 1);
    assert_ptr_equal(part.iov_base, data);
    px_send_queue_consume(&to, 999);
    assert_int_equal(live_owners, 1); /* its last byte is still here */
    px_send_queue_move(&from, &to, 1);
    px_send_queue_consume(&to, 1);
    assert_int_equal(live_owners, 0);
    px_send_queue_release(&from);
    px_send_queue_release(&to);
}

static void test_send_queue__keeps_an_abandoned_owner_while_its_bytes_wait(void **state)
{
    (void)state;
    struct px_test_random random = {.state = 1};
    struct px_send_queue from = {0};
    struct px_send_queue to = {0};
    struct proximadb_buffer first = owned(&random, 1000);
    struct proximadb_buffer second = owned(&random, 1000);
    px_send_queue_take(&from, &first);
    px_send_queue_take(&from, &second);
    px_send_queue_move(&from, &to, 400);
    px_send_queue_abandon(&from, &to);
    assert_int_equal(from.size_bytes, 0);
    assert_int_equal(live_owners, 1); /* of the 400 bytes */
    px_send_queue_consume(&to, 400);
    assert_int_equal(live_owners, 0);
    px_send_queue_release(&from);
    px_send_queue_release(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_queue__keeps_order_and_owners),
        cmocka_unit_test(test_send_queue__does_not_copy_what_is_large),
        cmocka_unit_test(test_send_queue__keeps_an_abandoned_owner_while_its_bytes_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
