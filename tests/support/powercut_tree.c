#include "support/powercut_tree.h"

#include <assert.h>
#include <errno.h>

struct px_powercut_move {
    struct px_powercut_move *next;
    uint64_t sequence;
    int node;
    struct px_powercut_place from, to; /* in no folder: made, removed */
    bool from_unsynced, to_unsynced;
    bool chosen; /* to become durable now */
};

static const struct px_powercut_place nowhere = {.folder = PX_POWERCUT_NOWHERE};

/* ---- entries of a folder ----------------------------------------------------------------------- */

static struct px_powercut_entry *find_entry(const struct px_powercut_entries *entries,
                                            const char *name)
{
    for (size_t i = 0; i < entries->count; i++)
        if (strcmp(entries->items[i].name, name) == 0)
            return &entries->items[i];
    return NULL;
}

static void put_entry(struct px_powercut_entries *entries, const char *name, int node)
{
    struct px_powercut_entry *entry = find_entry(entries, name);
    if (entry != NULL) {
        entry->node = node;
        return;
    }
    if (entries->count == entries->capacity) {
        entries->capacity = 2 * entries->capacity + 8;
        entries->items = realloc(entries->items, entries->capacity * sizeof *entries->items);
        assert(entries->items != NULL);
    }
    char *copy = strdup(name);
    assert(copy != NULL);
    entries->items[entries->count++] = (struct px_powercut_entry){.name = copy, .node = node};
}

static void drop_entry(struct px_powercut_entries *entries, const char *name)
{
    struct px_powercut_entry *entry = find_entry(entries, name);
    if (entry == NULL)
        return;
    free(entry->name);
    *entry = entries->items[--entries->count];
}

static void release_entries(struct px_powercut_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free(entries->items[i].name);
    free(entries->items);
    *entries = (struct px_powercut_entries){0};
}

static void copy_entries(struct px_powercut_entries *ret_entries,
                         const struct px_powercut_entries *entries)
{
    *ret_entries = (struct px_powercut_entries){0};
    for (size_t i = 0; i < entries->count; i++)
        put_entry(ret_entries, entries->items[i].name, entries->items[i].node);
}

/* ---- nodes ------------------------------------------------------------------------------------- */

static struct px_powercut_node *new_node(enum px_fs_kind kind)
{
    struct px_powercut_node *node = calloc(1, sizeof *node);
    assert(node != NULL);
    node->kind = kind;
    node->locked_by = -1;
    px_powercut_file_init(&node->file);
    return node;
}

static void free_node(struct px_powercut_node *node)
{
    if (node == NULL)
        return;
    px_powercut_file_release(&node->file);
    release_entries(&node->cached);
    release_entries(&node->durable);
    free(node);
}

static int add_node(struct px_powercut_tree *tree, enum px_fs_kind kind)
{
    int number = 0;
    while (number < tree->node_count && tree->nodes[number] != NULL)
        number++;
    if (number == tree->node_count) {
        tree->nodes = realloc(tree->nodes, (size_t)(number + 1) * sizeof(void *));
        assert(tree->nodes != NULL);
        tree->node_count++;
    }
    tree->nodes[number] = new_node(kind);
    return number;
}

void px_powercut_tree_init(struct px_powercut_tree *tree)
{
    *tree = (struct px_powercut_tree){0};
    int root = add_node(tree, PX_FS_FOLDER);
    assert(root == PX_POWERCUT_ROOT);
}

static void free_moves(struct px_powercut_move *moves)
{
    while (moves != NULL) {
        struct px_powercut_move *next = moves->next;
        free(moves);
        moves = next;
    }
}

void px_powercut_tree_release(struct px_powercut_tree *tree)
{
    for (int i = 0; i < tree->node_count; i++)
        free_node(tree->nodes[i]);
    free(tree->nodes);
    free_moves(tree->moves);
    *tree = (struct px_powercut_tree){0};
}

static void append_move(struct px_powercut_tree *tree, const struct px_powercut_move *move)
{
    struct px_powercut_move *copy = malloc(sizeof *copy);
    assert(copy != NULL);
    *copy = *move;
    copy->next = NULL;
    struct px_powercut_move **end = &tree->moves;
    while (*end != NULL)
        end = &(*end)->next;
    *end = copy;
}

void px_powercut_tree_copy(struct px_powercut_tree *ret_tree, const struct px_powercut_tree *tree)
{
    *ret_tree = (struct px_powercut_tree){.node_count = tree->node_count};
    ret_tree->nodes = calloc((size_t)tree->node_count, sizeof(void *));
    assert(ret_tree->nodes != NULL);
    for (int i = 0; i < tree->node_count; i++) {
        const struct px_powercut_node *from = tree->nodes[i];
        if (from == NULL)
            continue;
        struct px_powercut_node *to = new_node(from->kind);
        px_powercut_file_copy(&to->file, &from->file);
        copy_entries(&to->cached, &from->cached);
        copy_entries(&to->durable, &from->durable);
        ret_tree->nodes[i] = to;
    }
    for (const struct px_powercut_move *move = tree->moves; move != NULL; move = move->next)
        append_move(ret_tree, move);
}

/* ---- nodes that are out of reach ---------------------------------------------------------------- */

static int *push_entries(const struct px_powercut_entries *entries, bool *marks, int *top)
{
    for (size_t i = 0; i < entries->count; i++)
        if (!marks[entries->items[i].node]) {
            marks[entries->items[i].node] = true;
            *top++ = entries->items[i].node;
        }
    return top;
}

/* Marks a node and, by what programs see and, if asked, by what is durable, all that is below it. */
static void mark_below(const struct px_powercut_tree *tree, int start, bool durable_too,
                       bool *marks)
{
    int *stack = calloc((size_t)tree->node_count, sizeof *stack), *top = stack;
    assert(stack != NULL);
    if (!marks[start])
        *top++ = start;
    marks[start] = true;
    while (top > stack) {
        const struct px_powercut_node *node = tree->nodes[*--top];
        top = push_entries(&node->cached, marks, top);
        if (durable_too)
            top = push_entries(&node->durable, marks, top);
    }
    free(stack);
}

/* Frees the nodes that no name, descriptor or undecided move leads to. */
static void collect(struct px_powercut_tree *tree)
{
    bool *marks = calloc((size_t)tree->node_count, sizeof *marks);
    assert(marks != NULL);
    mark_below(tree, PX_POWERCUT_ROOT, true, marks);
    for (int i = 0; i < tree->node_count; i++)
        if (tree->nodes[i] != NULL && tree->nodes[i]->open_count > 0)
            mark_below(tree, i, true, marks);
    for (const struct px_powercut_move *move = tree->moves; move != NULL; move = move->next) {
        mark_below(tree, move->node, true, marks);
        if (move->from.folder != PX_POWERCUT_NOWHERE)
            mark_below(tree, move->from.folder, true, marks);
        if (move->to.folder != PX_POWERCUT_NOWHERE)
            mark_below(tree, move->to.folder, true, marks);
    }
    for (int i = 0; i < tree->node_count; i++)
        if (!marks[i]) {
            free_node(tree->nodes[i]);
            tree->nodes[i] = NULL;
        }
    free(marks);
}

bool px_powercut_tree_is_below(const struct px_powercut_tree *tree, int folder, int node)
{
    bool *marks = calloc((size_t)tree->node_count, sizeof *marks);
    assert(marks != NULL);
    mark_below(tree, folder, false, marks);
    bool found = marks[node];
    free(marks);
    return found;
}

/* ---- paths ------------------------------------------------------------------------------------- */

static int refuse(int error)
{
    errno = error;
    return -1;
}

/* Takes one component off the path: 1, 0 at its end, -1 if it is too long. */
static int next_component(const char **path, char name[256])
{
    while (**path == '/')
        (*path)++;
    size_t length = strcspn(*path, "/");
    if (length >= 256)
        return refuse(ENAMETOOLONG);
    memcpy(name, *path, length);
    name[length] = '\0';
    *path += length;
    return length > 0;
}

static int step(const struct px_powercut_tree *tree, int node, const char *name)
{
    if (tree->nodes[node]->kind != PX_FS_FOLDER)
        return refuse(ENOTDIR);
    if (strcmp(name, ".") == 0)
        return node;
    if (strcmp(name, "..") == 0)
        return refuse(EINVAL);
    const struct px_powercut_entry *entry = find_entry(&tree->nodes[node]->cached, name);
    return entry != NULL ? entry->node : refuse(ENOENT);
}

int px_powercut_tree_find(const struct px_powercut_tree *tree, const char *path)
{
    const size_t length = strlen(path);
    if (length == 0)
        return refuse(ENOENT);
    const char *left = path;
    char name[256];
    int node = PX_POWERCUT_ROOT, found;
    while ((found = next_component(&left, name)) > 0) {
        node = step(tree, node, name);
        if (node < 0)
            return -1;
    }
    if (found < 0)
        return -1;
    if (path[length - 1] == '/' && tree->nodes[node]->kind != PX_FS_FOLDER)
        return refuse(ENOTDIR);
    return node;
}

int px_powercut_tree_place(const struct px_powercut_tree *tree, const char *path,
                           struct px_powercut_place *ret_place)
{
    struct px_powercut_place place = {.folder = PX_POWERCUT_ROOT};
    char next[256];
    const char *left = path;
    int found = next_component(&left, place.name);
    if (found <= 0)
        return found < 0 ? -1 : refuse(*path == '\0' ? ENOENT : EEXIST);
    while ((found = next_component(&left, next)) > 0) {
        place.folder = step(tree, place.folder, place.name);
        if (place.folder < 0)
            return -1;
        memcpy(place.name, next, sizeof place.name);
    }
    if (found < 0)
        return -1;
    if (tree->nodes[place.folder]->kind != PX_FS_FOLDER)
        return refuse(ENOTDIR);
    if (place.name[0] == '.' && (place.name[1] == '\0' || strcmp(place.name, "..") == 0))
        return refuse(place.name[1] == '\0' ? EEXIST : EINVAL);
    *ret_place = place;
    return 0;
}

int px_powercut_tree_at(const struct px_powercut_tree *tree, const struct px_powercut_place *place)
{
    const struct px_powercut_entry *entry =
        find_entry(&tree->nodes[place->folder]->cached, place->name);
    return entry != NULL ? entry->node : PX_POWERCUT_NOWHERE;
}

/* ---- moves ------------------------------------------------------------------------------------- */

static struct px_powercut_entries *entries_of(struct px_powercut_tree *tree, int folder,
                                              bool durable)
{
    return durable ? &tree->nodes[folder]->durable : &tree->nodes[folder]->cached;
}

static void apply(struct px_powercut_tree *tree, const struct px_powercut_move *move, bool durable)
{
    if (move->from.folder != PX_POWERCUT_NOWHERE)
        drop_entry(entries_of(tree, move->from.folder, durable), move->from.name);
    if (move->to.folder != PX_POWERCUT_NOWHERE)
        put_entry(entries_of(tree, move->to.folder, durable), move->to.name, move->node);
}

static void make_move(struct px_powercut_tree *tree, uint64_t sequence, int node,
                      const struct px_powercut_place *from, const struct px_powercut_place *to)
{
    struct px_powercut_move move = {
        .sequence = sequence,
        .node = node,
        .from = *from,
        .to = *to,
        .from_unsynced = from->folder != PX_POWERCUT_NOWHERE,
        .to_unsynced = to->folder != PX_POWERCUT_NOWHERE,
    };
    apply(tree, &move, false);
    append_move(tree, &move);
}

int px_powercut_tree_make(struct px_powercut_tree *tree, uint64_t sequence, enum px_fs_kind kind,
                          const struct px_powercut_place *place)
{
    int node = add_node(tree, kind);
    make_move(tree, sequence, node, &nowhere, place);
    return node;
}

void px_powercut_tree_link(struct px_powercut_tree *tree, uint64_t sequence, int node,
                           const struct px_powercut_place *place)
{
    make_move(tree, sequence, node, &nowhere, place);
}

void px_powercut_tree_remove(struct px_powercut_tree *tree, uint64_t sequence,
                             const struct px_powercut_place *place)
{
    make_move(tree, sequence, px_powercut_tree_at(tree, place), place, &nowhere);
}

void px_powercut_tree_rename(struct px_powercut_tree *tree, uint64_t sequence,
                             const struct px_powercut_place *from,
                             const struct px_powercut_place *to)
{
    make_move(tree, sequence, px_powercut_tree_at(tree, from), from, to);
}

static bool same_place(const struct px_powercut_place *a, const struct px_powercut_place *b)
{
    return a->folder != PX_POWERCUT_NOWHERE && a->folder == b->folder &&
           strcmp(a->name, b->name) == 0;
}

/* Two moves of one name of a node need no question of their own, since each begins where the one
 * before it ended; two names of one node are independent; nor do two moves that begin at one name, since another one ended there in between. */
static bool depends(const struct px_powercut_move *later, const struct px_powercut_move *earlier)
{
    return same_place(&later->from, &earlier->to) || same_place(&later->to, &earlier->from) ||
           same_place(&later->to, &earlier->to);
}

/* Chooses also the moves that the chosen ones depend on. One pass from the newest to the oldest is
 * enough, since a move depends on earlier ones only. */
static void choose_what_is_needed(struct px_powercut_tree *tree)
{
    size_t count = 0, index = 0;
    for (struct px_powercut_move *move = tree->moves; move != NULL; move = move->next)
        count++;
    struct px_powercut_move **list = calloc(count + 1, sizeof(void *));
    assert(list != NULL);
    for (struct px_powercut_move *move = tree->moves; move != NULL; move = move->next)
        list[index++] = move;
    for (size_t later = count; later-- > 0;)
        for (size_t earlier = later; list[later]->chosen && earlier-- > 0;)
            if (depends(list[later], list[earlier]))
                list[earlier]->chosen = true;
    free(list);
}

/* Makes the chosen moves durable, in their order, and forgets them. */
static void settle_chosen(struct px_powercut_tree *tree)
{
    choose_what_is_needed(tree);
    struct px_powercut_move **link = &tree->moves;
    while (*link != NULL) {
        struct px_powercut_move *move = *link;
        if (!move->chosen) {
            link = &move->next;
            continue;
        }
        apply(tree, move, true);
        *link = move->next;
        free(move);
    }
}

void px_powercut_tree_sync(struct px_powercut_tree *tree, int folder)
{
    for (struct px_powercut_move *move = tree->moves; move != NULL; move = move->next) {
        if (move->from.folder == folder)
            move->from_unsynced = false;
        if (move->to.folder == folder)
            move->to_unsynced = false;
        move->chosen = !move->from_unsynced && !move->to_unsynced;
    }
    settle_chosen(tree);
    collect(tree);
}

/* ---- the power cut ----------------------------------------------------------------------------- */

/* Draws the point in time up to which all survives, from before the first change to behind the last. */
static void choose_first_lost(const struct px_powercut_tree *tree, struct px_powercut_fate *fate)
{
    uint64_t oldest = UINT64_MAX, newest = 0;
    for (const struct px_powercut_move *move = tree->moves; move != NULL; move = move->next) {
        oldest = move->sequence < oldest ? move->sequence : oldest;
        newest = move->sequence > newest ? move->sequence : newest;
    }
    for (int i = 0; i < tree->node_count; i++) {
        uint64_t first, last;
        if (tree->nodes[i] == NULL ||
            !px_powercut_file_pending(&tree->nodes[i]->file, &first, &last))
            continue;
        oldest = first < oldest ? first : oldest;
        newest = last > newest ? last : newest;
    }
    if (oldest <= newest)
        fate->first_lost = oldest + px_test_below(&fate->random, newest - oldest + 2);
}

static bool survives(const struct px_powercut_move *move, struct px_powercut_fate *fate,
                     unsigned eighths)
{
    switch (fate->policy) {
    case PX_POWERCUT_KEEP_ALL:
        return true;
    case PX_POWERCUT_IN_ORDER:
        return move->sequence < fate->first_lost;
    case PX_POWERCUT_RANDOM:
        return px_test_below(&fate->random, 8) < eighths;
    case PX_POWERCUT_DROP_ALL:
    case PX_POWERCUT_ANY:
        break;
    }
    return false;
}

static void cut_names(struct px_powercut_tree *tree, struct px_powercut_fate *fate)
{
    unsigned eighths = (unsigned)px_test_below(&fate->random, 9);
    for (struct px_powercut_move *move = tree->moves; move != NULL; move = move->next)
        move->chosen = survives(move, fate, eighths);
    settle_chosen(tree);
    free_moves(tree->moves);
    tree->moves = NULL;
}

void px_powercut_tree_cut(struct px_powercut_tree *tree, struct px_powercut_fate *fate)
{
    choose_first_lost(tree, fate);
    cut_names(tree, fate);
    for (int i = 0; i < tree->node_count; i++) {
        struct px_powercut_node *node = tree->nodes[i];
        if (node == NULL)
            continue;
        px_powercut_file_cut(&node->file, fate);
        release_entries(&node->cached);
        copy_entries(&node->cached, &node->durable);
    }
    collect(tree);
}
