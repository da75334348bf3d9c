/*
 * rest_rig: REST requests without a network, in front of the fake engine, for the tests of src/rest.
 * It is grpc_rig with REST's routes: a worker without a thread, and a protocol that is a notebook.
 */
#ifndef PX_REST_RIG_H
#define PX_REST_RIG_H

#include "rest/rest.h"
#include "rest/rest_call.h"
#include "support/fake_engine.h"
#include "support/grpc_rig.h"
#include "support/rest_test.h"

static proximadb *db;
static struct px_rest *rest;
static struct px_route routes[PX_REST_ROUTES];

static inline void rest_set_up(size_t body_limit_bytes)
{
    db = fake_engine_open();
    assert_int_equal(px_rest_new(db, body_limit_bytes, &rest, NULL), PROXIMADB_OK);
    px_rest_routes(rest, routes);
    rig_set_up(routes, PX_REST_ROUTES);
}

static inline void rest_tear_down(void)
{
    rig_tear_down();
    px_rest_free(rest);
    fake_engine_close(db);
}

/* Sends a request with a body and more headers than its type and length, and waits for the answer. */
static inline void rest_send_with(const char *method, const char *path, struct px_slice body,
                                  const char *name, const char *value)
{
    char length[24];
    snprintf(length, sizeof length, "%zu", body.size_bytes);
    const char *fields[] = {
        "content-type", "application/json", "content-length", length, name, value, NULL};
    rig_request(method, path, fields);
    rig_body(body.data, body.size_bytes);
    rig_end();
    rig_wait_for_answer();
}

static inline void rest_send(const char *method, const char *path, const char *json)
{
    if (json != NULL) {
        rest_send_with(method, path, rest_json(json), NULL, NULL);
        return;
    }
    rig_request(method, path, NULL);
    rig_end();
    rig_wait_for_answer();
}

static inline void rest_expect_status(int status)
{
    char field[32];
    snprintf(field, sizeof field, ":status: %d\n", status);
    rig_expect_says(field);
}

static inline void rest_expect(int status, const char *body)
{
    rest_expect_status(status);
    assert_string_equal(text_of(&rig.body), rest_text(body));
}

/* That the answer is a problem with that status and code, whose detail has `part`. */
static inline void rest_expect_problem(int status, const char *code, const char *part)
{
    char expected[60];
    rest_expect_status(status);
    rig_expect_says("content-type: application/problem+json\n");
    snprintf(expected, sizeof expected, "\"status\":%d,\"detail\":", status);
    const char *detail = strstr(text_of(&rig.body), expected);
    snprintf(expected, sizeof expected, "\"code\":\"%s\"", code);
    if (detail == NULL || strstr(detail, part) == NULL || strstr(detail, expected) == NULL)
        fail_msg("'%s' and '%s' are not in '%s'", part, expected, text_of(&rig.body));
}

/* The engine answers rows with this from now on; released at the next call. */
static inline void rest_answer_with(struct proximadb_buffer answer)
{
    static struct proximadb_buffer kept;
    fake_engine_answer_with(db, answer.data, answer.size_bytes);
    proximadb_buffer_release(&kept);
    kept = answer;
}

#endif /* PX_REST_RIG_H */
