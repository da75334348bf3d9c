#include "service/coordinator_internal.h"

/* A millisecond's worth of them: less is not worth waking a thread for. */
#define PRODUCTS_OF_A_MEMBER 4e6

/* One thread's part of a search. The first one's is the request's own. */
struct member {
    struct px_reading *reading;
    struct px_reading own; /* of a helper: the request's, with readers of its own */
    struct px_arena arena; /* of a helper */
    const struct px_row_ranges *ranges;
    struct px_exact_input input;
    struct px_exact_scan *scan; /* NULL: it did not get to begin */
    int rc;
    struct proximadb_error error;
};

struct team {
    struct px_exact_request request;
    struct px_exact_shares shares;
    struct member *members;
    unsigned member_count;
};

/* ---- what AXIS asks ------------------------------------------------------------------------ */

/* For exact search a range is a source, and its first row is row 0. */
static struct px_row_place place_of(const struct member *member, uint32_t range_index, uint32_t row)
{
    const struct px_row_range *range = &member->ranges->items[range_index];
    return (struct px_row_place){.source_index = range->source_index, .row = range->begin + row};
}

static uint32_t source_rows(void *context, uint32_t range_index)
{
    const struct member *member = context;
    const struct px_row_range *range = &member->ranges->items[range_index];
    return range->end - range->begin;
}

static int give_block(void *context, uint32_t range_index, uint32_t row,
                      struct px_exact_block *ret_block, struct proximadb_error *reterr)
{
    struct member *member = context;
    const struct px_row_range *range = &member->ranges->items[range_index];
    struct px_row_place place = place_of(member, range_index, row);
    struct px_part_block block;
    int rc =
        px_row_reader_block(&member->reading->rows, place.source_index, place.row, &block, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    uint32_t begin = block.first_row, end = block.first_row + block.row_count;
    begin = begin < range->begin ? range->begin : begin;
    end = end > range->end ? range->end : end;
    *ret_block = (struct px_exact_block){.vectors = (const uint8_t *)block.vectors +
                                                    (begin - block.first_row) * block.stride_bytes,
                                         .stride_bytes = block.stride_bytes,
                                         .first_row = begin - range->begin,
                                         .row_count = end - begin};
    return PROXIMADB_OK;
}

static bool should_stop(void *context)
{
    const struct member *member = context;
    return px_call_check(member->reading->call, NULL) != PROXIMADB_OK;
}

static bool accept(void *context, uint32_t range_index, uint32_t row)
{
    struct member *member = context;
    struct px_row_place place = place_of(member, range_index, row);
    return px_coordinator__accepts(member->reading, place.source_index, place.row);
}

static struct px_slice give_id(void *context, uint32_t range_index, uint32_t row)
{
    struct member *member = context;
    struct px_row_place place = place_of(member, range_index, row);
    return px_row_reader_id(&member->reading->rows, place.source_index, place.row);
}

static const void *give_vector(void *context, uint32_t range_index, uint32_t row)
{
    struct member *member = context;
    struct px_row_place place = place_of(member, range_index, row);
    return px_row_reader_vector(&member->reading->rows, place.source_index, place.row);
}

/* ---- several threads ------------------------------------------------------------------------ */

static struct px_exact_input input_of(struct member *member)
{
    return (struct px_exact_input){
        .context = member,
        .source_count = member->ranges->count,
        .row_count = member->ranges->row_count,
        .source_rows = source_rows,
        .block = give_block,
        .should_stop = should_stop,
        .rows = {.context = member, .accept = accept, .id = give_id, .vector = give_vector},
    };
}

static int begin_first(struct team *team, struct proximadb_error *reterr)
{
    struct member *first = &team->members[0];
    first->input = input_of(first);
    return px_exact_begin(&team->request, &first->input, &first->reading->call->arena, &first->scan,
                          reterr);
}

/* A helper that has no memory is no loss: what it does not take is left to the others. */
static void begin_helper(struct team *team, struct member *helper)
{
    const struct px_reading *first = team->members[0].reading;
    helper->own = (struct px_reading){
        .call = first->call, .snapshot = first->snapshot, .filter = first->filter};
    helper->reading = &helper->own;
    helper->ranges = team->members[0].ranges;
    px_arena_init(&helper->arena, first->call->arena.limit_bytes);
    helper->input = input_of(helper);
    if (px_row_reader_init(&helper->own.rows, &helper->own.snapshot, NULL) != PROXIMADB_OK ||
        px_exact_begin(&team->request, &helper->input, &helper->arena, &helper->scan, NULL) !=
            PROXIMADB_OK)
        helper->scan = NULL;
}

static void run_member(void *context, unsigned number)
{
    struct team *team = context;
    struct member *member = &team->members[number];
    if (number > 0)
        begin_helper(team, member);
    if (member->scan == NULL)
        return;
    member->rc = px_exact_run(member->scan, &team->shares, &member->error);
    /* What stopped it, and what was wrong with a row, is said better here. */
    if (member->rc == PROXIMADB_CANCELLED)
        member->rc = px_call_check(member->reading->call, &member->error);
    if (px_row_reader_status(&member->reading->rows, &member->error) != PROXIMADB_OK)
        member->rc = member->error.status;
}

static int add_up(struct team *team, struct proximadb_error *reterr)
{
    struct member *first = &team->members[0];
    for (unsigned i = 0; i < team->member_count; i++) {
        if (team->members[i].rc != PROXIMADB_OK) {
            *reterr = team->members[i].error;
            return reterr->status;
        }
        if (i > 0 && team->members[i].scan != NULL)
            px_exact_merge(first->scan, team->members[i].scan);
    }
    return PROXIMADB_OK;
}

static void release_helpers(struct team *team)
{
    for (unsigned i = 1; i < team->member_count; i++) {
        px_row_reader_release(&team->members[i].own.rows);
        px_arena_release(&team->members[i].arena);
    }
}

/* As many as have a millisecond's work each. */
static unsigned wanted_members(const struct px_row_ranges *ranges,
                               const struct px_exact_request *request, unsigned most)
{
    double products = (double)ranges->row_count * (double)request->queries.dim_count *
                      (double)request->queries.row_count;
    double wanted = products / PRODUCTS_OF_A_MEMBER + 1;
    return wanted < most ? (unsigned)wanted : most;
}

/* From ranges to sources. */
static void translate(const struct px_row_ranges *ranges, struct px_hits *hits, size_t query_count)
{
    for (size_t query = 0; query < query_count; query++)
        for (size_t i = 0; i < hits[query].count; i++) {
            struct px_hit *hit = &hits[query].items[i];
            const struct px_row_range *range = &ranges->items[hit->source_index];
            hit->source_index = range->source_index;
            hit->row_index += range->begin;
        }
}

int px_coordinator__compare(struct px_crew *crew, struct px_reading *reading,
                            const struct px_exact_request *request,
                            const struct px_row_ranges *ranges, struct px_hits *ret_hits,
                            struct proximadb_error *reterr)
{
    if (request->queries.row_count == 0)
        return PROXIMADB_OK;
    unsigned count = wanted_members(ranges, request, px_crew_size(crew) + 1);
    struct px_arena *arena = &reading->call->arena;
    struct team team = {.request = *request, .member_count = count};
    team.members = px_arena_calloc(arena, count, sizeof *team.members);
    if (team.members == NULL)
        return px_fail_no_memory(reterr);
    struct member *first = &team.members[0];
    first->reading = reading;
    first->ranges = ranges;
    int rc = begin_first(&team, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_crew_run(crew, count, run_member, &team);
    rc = add_up(&team, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_exact_finish(first->scan, ret_hits, reterr);
    if (rc == PROXIMADB_OK)
        translate(ranges, ret_hits, request->queries.row_count);
    release_helpers(&team);
    return rc;
}

int px_coordinator__compare_all(struct px_crew *crew, struct px_reading *reading,
                                const struct px_exact_request *request, struct px_hits *ret_hits,
                                struct proximadb_error *reterr)
{
    const struct px_snapshot *snapshot = &reading->snapshot;
    uint32_t source_count = snapshot->view->source_count;
    struct px_row_ranges ranges = {
        .count = source_count,
        .items = px_arena_alloc(&reading->call->arena, source_count * sizeof *ranges.items)};
    if (ranges.items == NULL)
        return px_fail_no_memory(reterr);
    for (uint32_t i = 0; i < source_count; i++) {
        uint32_t row_count = px_snapshot_row_count(snapshot, i);
        ranges.items[i] = (struct px_row_range){.source_index = i, .end = row_count};
        ranges.row_count += row_count;
    }
    return px_coordinator__compare(crew, reading, request, &ranges, ret_hits, reterr);
}
