#include "support/powercut_fs.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

struct machine {
    struct px_fs base; /* first member: a struct px_fs * given to the code is this object */
    struct px_powercut *disk;
    struct machine *next;
    bool dead;
};

struct opened {
    int fd; /* never used again, so that a stale one is always found out */
    int node;
    bool writable;
    char *path; /* owned */
};

struct map {
    struct map *next;
    size_t size_bytes;
    uint8_t *data; /* owned */
};

struct px_powercut {
    pthread_mutex_t lock; /* guards: all that follow */
    struct px_powercut_tree tree;
    struct machine *machines; /* owned; newest first */
    struct opened *opened;    /* owned; of the newest machine */
    size_t opened_count, opened_capacity;
    struct map *maps; /* owned */
    int last_fd;
    uint64_t last_sequence;
    uint64_t syncs, changes; /* since the machine was booted */

    uint64_t stop_in; /* calls until the machine dies; 0: never */
    bool stop_counts_syncs_only;
    enum px_powercut_when stop_when;
    bool dies_after_this_call;
    bool stopped;

    uint64_t fail_sync_in; /* 0: never */
    const char *fail_sync_path_part;
    bool garbage;
};

static int refuse(int error)
{
    errno = error;
    return -1;
}

/* ---- every call begins and ends here ------------------------------------------------------------ */

static struct px_powercut *disk_of(struct px_fs *fs)
{
    return ((struct machine *)fs)->disk;
}

/* Takes the lock; NULL without it and with EIO if the machine is dead. */
static struct px_powercut *enter(struct px_fs *fs)
{
    struct px_powercut *disk = disk_of(fs);
    pthread_mutex_lock(&disk->lock);
    if (!((struct machine *)fs)->dead)
        return disk;
    pthread_mutex_unlock(&disk->lock);
    errno = EIO;
    return NULL;
}

static void release_opened(struct px_powercut *disk)
{
    for (size_t i = 0; i < disk->opened_count; i++) {
        struct px_powercut_node *node = disk->tree.nodes[disk->opened[i].node];
        node->open_count = 0;
        node->locked_by = -1;
        free(disk->opened[i].path);
    }
    disk->opened_count = 0;
}

static void kill_machine(struct px_powercut *disk)
{
    if (disk->machines != NULL)
        disk->machines->dead = true;
    release_opened(disk);
    disk->dies_after_this_call = false;
}

/* Likewise, for a call that changes something: it may be the one at which the machine dies. */
static struct px_powercut *enter_change(struct px_fs *fs, bool is_sync)
{
    struct px_powercut *disk = enter(fs);
    if (disk == NULL)
        return NULL;
    disk->changes++;
    disk->syncs += is_sync;
    bool counts = is_sync || !disk->stop_counts_syncs_only;
    if (disk->stop_in == 0 || !counts || --disk->stop_in > 0)
        return disk;
    disk->stopped = true;
    disk->dies_after_this_call = disk->stop_when == PX_POWERCUT_AFTER;
    if (disk->dies_after_this_call)
        return disk;
    kill_machine(disk);
    pthread_mutex_unlock(&disk->lock);
    errno = EIO;
    return NULL;
}

static int leave(struct px_powercut *disk, int rc)
{
    if (disk->dies_after_this_call) {
        kill_machine(disk);
        rc = refuse(EIO);
    }
    int saved = errno;
    pthread_mutex_unlock(&disk->lock);
    errno = saved;
    return rc;
}

/* ---- descriptors -------------------------------------------------------------------------------- */

static struct opened *find_opened(struct px_powercut *disk, int fd)
{
    for (size_t i = 0; i < disk->opened_count; i++)
        if (disk->opened[i].fd == fd)
            return &disk->opened[i];
    errno = EBADF;
    return NULL;
}

/* The node behind a descriptor; NULL with EBADF. */
static struct px_powercut_node *node_of(struct px_powercut *disk, int fd, bool to_write)
{
    const struct opened *opened = find_opened(disk, fd);
    if (opened == NULL)
        return NULL;
    if (!to_write || opened->writable)
        return disk->tree.nodes[opened->node];
    errno = EBADF;
    return NULL;
}

static int add_opened(struct px_powercut *disk, int node, const char *path, bool writable)
{
    if (disk->opened_count == disk->opened_capacity) {
        disk->opened_capacity = 2 * disk->opened_capacity + 16;
        disk->opened = realloc(disk->opened, disk->opened_capacity * sizeof *disk->opened);
        assert(disk->opened != NULL);
    }
    struct opened opened = {
        .fd = ++disk->last_fd, .node = node, .writable = writable, .path = strdup(path)};
    assert(opened.path != NULL);
    disk->opened[disk->opened_count++] = opened;
    disk->tree.nodes[node]->open_count++;
    return opened.fd;
}

/* The file that opening is about, made where the mode says so; -1 with errno. */
static int find_or_make(struct px_powercut *disk, const char *path, enum px_fs_mode mode)
{
    struct px_powercut_place place;
    int node = px_powercut_tree_find(&disk->tree, path);
    if (node < 0 && (errno != ENOENT || mode == PX_FS_READ))
        return -1;
    if (node < 0) {
        if (px_powercut_tree_place(&disk->tree, path, &place) < 0)
            return -1;
        return px_powercut_tree_make(&disk->tree, ++disk->last_sequence, PX_FS_FILE, &place);
    }
    if (mode == PX_FS_CREATE)
        return refuse(EEXIST);
    if (disk->tree.nodes[node]->kind != PX_FS_FILE)
        return refuse(EISDIR);
    if (mode == PX_FS_TRUNCATE)
        px_powercut_file_resize(&disk->tree.nodes[node]->file, ++disk->last_sequence, 0);
    return node;
}

static int powercut_open(struct px_fs *fs, const char *path, enum px_fs_mode mode)
{
    struct px_powercut *disk = mode == PX_FS_READ ? enter(fs) : enter_change(fs, false);
    if (disk == NULL)
        return -1;
    int node = find_or_make(disk, path, mode);
    return leave(disk, node < 0 ? -1 : add_opened(disk, node, path, mode != PX_FS_READ));
}

static int powercut_close(struct px_fs *fs, int fd)
{
    struct px_powercut *disk = enter(fs);
    if (disk == NULL)
        return -1;
    struct opened *opened = find_opened(disk, fd);
    if (opened == NULL)
        return leave(disk, -1);
    struct px_powercut_node *node = disk->tree.nodes[opened->node];
    node->open_count--;
    if (node->locked_by == fd)
        node->locked_by = -1;
    free(opened->path);
    *opened = disk->opened[--disk->opened_count];
    return leave(disk, 0);
}

static int powercut_lock(struct px_fs *fs, int fd)
{
    struct px_powercut *disk = enter(fs);
    if (disk == NULL)
        return -1;
    struct px_powercut_node *node = node_of(disk, fd, false);
    if (node == NULL)
        return leave(disk, -1);
    if (node->locked_by >= 0 && node->locked_by != fd)
        return leave(disk, refuse(EWOULDBLOCK));
    node->locked_by = fd;
    return leave(disk, 0);
}

/* ---- content ------------------------------------------------------------------------------------ */

static int64_t powercut_read_at(struct px_fs *fs, int fd, void *data, size_t size_bytes,
                                uint64_t offset)
{
    struct px_powercut *disk = enter(fs);
    if (disk == NULL)
        return -1;
    const struct px_powercut_node *node = node_of(disk, fd, false);
    if (node == NULL)
        return leave(disk, -1);
    const struct px_buffer *cached = &node->file.cached;
    size_t got = 0;
    if (offset < cached->size_bytes) {
        size_t there = cached->size_bytes - (size_t)offset;
        got = size_bytes < there ? size_bytes : there;
    }
    if (got > 0)
        memcpy(data, cached->data + offset, got);
    (void)leave(disk, 0);
    return (int64_t)got;
}

static int powercut_write_at(struct px_fs *fs, int fd, const struct px_slice *pieces, size_t count,
                             uint64_t offset)
{
    struct px_powercut *disk = enter_change(fs, false);
    if (disk == NULL)
        return -1;
    struct px_powercut_node *node = node_of(disk, fd, true);
    if (node != NULL)
        px_powercut_file_write(&node->file, ++disk->last_sequence, offset, pieces, count);
    return leave(disk, node != NULL ? 0 : -1);
}

static int change_size(struct px_fs *fs, int fd, uint64_t size_bytes, bool only_grow)
{
    struct px_powercut *disk = enter_change(fs, false);
    if (disk == NULL)
        return -1;
    struct px_powercut_node *node = node_of(disk, fd, false);
    if (node != NULL && only_grow && size_bytes <= node->file.cached.size_bytes)
        return leave(disk, 0);
    node = node_of(disk, fd, true);
    if (node != NULL)
        px_powercut_file_resize(&node->file, ++disk->last_sequence, size_bytes);
    return leave(disk, node != NULL ? 0 : -1);
}

static int powercut_truncate(struct px_fs *fs, int fd, uint64_t size_bytes)
{
    return change_size(fs, fd, size_bytes, false);
}

static int powercut_allocate(struct px_fs *fs, int fd, uint64_t size_bytes)
{
    return change_size(fs, fd, size_bytes, true);
}

/* Whether this is the sync that px_powercut_fail_sync() chose. */
static bool sync_fails(struct px_powercut *disk, int fd)
{
    if (disk->fail_sync_in == 0)
        return false;
    const char *part = disk->fail_sync_path_part;
    if (part != NULL && strstr(find_opened(disk, fd)->path, part) == NULL)
        return false;
    return --disk->fail_sync_in == 0;
}

/* Nothing is promised, so nothing is done. */
static void powercut_start_sync(struct px_fs *fs, int fd, uint64_t offset, uint64_t size_bytes)
{
    (void)fs;
    (void)fd;
    (void)offset;
    (void)size_bytes;
}

static int powercut_sync_data(struct px_fs *fs, int fd)
{
    struct px_powercut *disk = enter_change(fs, true);
    if (disk == NULL)
        return -1;
    struct px_powercut_node *node = node_of(disk, fd, false);
    if (node == NULL)
        return leave(disk, -1);
    if (sync_fails(disk, fd)) {
        px_powercut_file_lose(&node->file);
        return leave(disk, refuse(EIO));
    }
    px_powercut_file_sync(&node->file);
    return leave(disk, 0);
}

static int powercut_map(struct px_fs *fs, int fd, size_t size_bytes, const void **ret_data)
{
    struct px_powercut *disk = enter(fs);
    if (disk == NULL)
        return -1;
    const struct px_powercut_node *node = node_of(disk, fd, false);
    if (node == NULL)
        return leave(disk, -1);
    if (size_bytes == 0 || size_bytes > node->file.cached.size_bytes)
        return leave(disk, refuse(EINVAL));
    struct map *map = malloc(sizeof *map);
    assert(map != NULL);
    *map = (struct map){.next = disk->maps, .size_bytes = size_bytes, .data = malloc(size_bytes)};
    assert(map->data != NULL);
    memcpy(map->data, node->file.cached.data, size_bytes);
    disk->maps = map;
    *ret_data = map->data;
    return leave(disk, 0);
}

/* A dead machine's program unmaps, too. */
static int powercut_unmap(struct px_fs *fs, const void *data, size_t size_bytes)
{
    struct px_powercut *disk = disk_of(fs);
    pthread_mutex_lock(&disk->lock);
    struct map **link = &disk->maps, *map;
    while (*link != NULL && (*link)->data != data)
        link = &(*link)->next;
    map = *link;
    assert(map != NULL && map->size_bytes == size_bytes);
    *link = map->next;
    bool dead = ((struct machine *)fs)->dead;
    pthread_mutex_unlock(&disk->lock);
    free(map->data);
    free(map);
    return dead ? refuse(EIO) : 0;
}

/* ---- names -------------------------------------------------------------------------------------- */

static int powercut_sync_folder(struct px_fs *fs, const char *path)
{
    struct px_powercut *disk = enter_change(fs, true);
    if (disk == NULL)
        return -1;
    int node = px_powercut_tree_find(&disk->tree, path);
    if (node < 0)
        return leave(disk, -1);
    if (disk->tree.nodes[node]->kind != PX_FS_FOLDER)
        return leave(disk, refuse(ENOTDIR));
    px_powercut_tree_sync(&disk->tree, node);
    return leave(disk, 0);
}

static int powercut_info(struct px_fs *fs, const char *path, struct px_fs_info *ret_info)
{
    struct px_powercut *disk = enter(fs);
    if (disk == NULL)
        return -1;
    int number = px_powercut_tree_find(&disk->tree, path);
    if (number < 0)
        return leave(disk, -1);
    const struct px_powercut_node *node = disk->tree.nodes[number];
    *ret_info = (struct px_fs_info){.kind = node->kind, .size_bytes = node->file.cached.size_bytes};
    return leave(disk, 0);
}

/* Whether the node `from` may replace the node `to` (PX_POWERCUT_NOWHERE: nothing is there). */
static int may_rename(const struct px_powercut_tree *tree, int from,
                      const struct px_powercut_place *place, int to)
{
    const bool is_folder = tree->nodes[from]->kind == PX_FS_FOLDER;
    if (is_folder && px_powercut_tree_is_below(tree, from, place->folder))
        return refuse(EINVAL);
    if (to == PX_POWERCUT_NOWHERE)
        return 0;
    const struct px_powercut_node *replaced = tree->nodes[to];
    if (px_powercut_tree_is_below(tree, to, from))
        return refuse(ENOTEMPTY);
    if (is_folder && replaced->kind != PX_FS_FOLDER)
        return refuse(ENOTDIR);
    if (!is_folder && replaced->kind == PX_FS_FOLDER)
        return refuse(EISDIR);
    return replaced->cached.count > 0 ? refuse(ENOTEMPTY) : 0;
}

static int rename_in(struct px_powercut *disk, const char *from, const char *to)
{
    struct px_powercut_tree *tree = &disk->tree;
    struct px_powercut_place from_place, to_place;
    if (px_powercut_tree_place(tree, from, &from_place) < 0 ||
        px_powercut_tree_place(tree, to, &to_place) < 0)
        return -1;
    int from_node = px_powercut_tree_at(tree, &from_place);
    int to_node = px_powercut_tree_at(tree, &to_place);
    if (from_node == PX_POWERCUT_NOWHERE)
        return refuse(ENOENT);
    if (from_node == to_node)
        return 0;
    if (may_rename(tree, from_node, &to_place, to_node) < 0)
        return -1;
    px_powercut_tree_rename(tree, ++disk->last_sequence, &from_place, &to_place);
    return 0;
}

static int powercut_rename(struct px_fs *fs, const char *from, const char *to)
{
    struct px_powercut *disk = enter_change(fs, false);
    return disk == NULL ? -1 : leave(disk, rename_in(disk, from, to));
}

static int link_in(struct px_powercut *disk, const char *from, const char *to)
{
    struct px_powercut_place place;
    int node = px_powercut_tree_find(&disk->tree, from);
    if (node < 0 || px_powercut_tree_place(&disk->tree, to, &place) < 0)
        return -1;
    if (disk->tree.nodes[node]->kind != PX_FS_FILE)
        return refuse(EPERM);
    if (px_powercut_tree_at(&disk->tree, &place) != PX_POWERCUT_NOWHERE)
        return refuse(EEXIST);
    px_powercut_tree_link(&disk->tree, ++disk->last_sequence, node, &place);
    return 0;
}

static int powercut_link(struct px_fs *fs, const char *from, const char *to)
{
    struct px_powercut *disk = enter_change(fs, false);
    return disk == NULL ? -1 : leave(disk, link_in(disk, from, to));
}

static int remove_in(struct px_powercut *disk, const char *path, enum px_fs_kind kind)
{
    struct px_powercut_place place;
    if (px_powercut_tree_place(&disk->tree, path, &place) < 0)
        return -1;
    int number = px_powercut_tree_at(&disk->tree, &place);
    if (number == PX_POWERCUT_NOWHERE)
        return refuse(ENOENT);
    const struct px_powercut_node *node = disk->tree.nodes[number];
    if (node->kind != kind)
        return refuse(kind == PX_FS_FILE ? EISDIR : ENOTDIR);
    if (node->cached.count > 0)
        return refuse(ENOTEMPTY);
    px_powercut_tree_remove(&disk->tree, ++disk->last_sequence, &place);
    return 0;
}

static int powercut_unlink(struct px_fs *fs, const char *path)
{
    struct px_powercut *disk = enter_change(fs, false);
    return disk == NULL ? -1 : leave(disk, remove_in(disk, path, PX_FS_FILE));
}

static int powercut_remove_folder(struct px_fs *fs, const char *path)
{
    struct px_powercut *disk = enter_change(fs, false);
    return disk == NULL ? -1 : leave(disk, remove_in(disk, path, PX_FS_FOLDER));
}

static int make_folder_in(struct px_powercut *disk, const char *path)
{
    struct px_powercut_place place;
    if (px_powercut_tree_place(&disk->tree, path, &place) < 0)
        return -1;
    if (px_powercut_tree_at(&disk->tree, &place) != PX_POWERCUT_NOWHERE)
        return refuse(EEXIST);
    (void)px_powercut_tree_make(&disk->tree, ++disk->last_sequence, PX_FS_FOLDER, &place);
    return 0;
}

static int powercut_make_folder(struct px_fs *fs, const char *path)
{
    struct px_powercut *disk = enter_change(fs, false);
    return disk == NULL ? -1 : leave(disk, make_folder_in(disk, path));
}

struct listed {
    char *name; /* owned */
    enum px_fs_kind kind;
};

/* The entries of a folder, copied, so that visit() may make calls on the disk; NULL with errno. */
static struct listed *copy_of_entries(struct px_powercut *disk, const char *path, size_t *ret_count)
{
    int number = px_powercut_tree_find(&disk->tree, path);
    if (number < 0)
        return NULL;
    const struct px_powercut_node *folder = disk->tree.nodes[number];
    if (folder->kind != PX_FS_FOLDER) {
        errno = ENOTDIR;
        return NULL;
    }
    struct listed *copy = calloc(folder->cached.count + 1, sizeof *copy);
    assert(copy != NULL);
    *ret_count = folder->cached.count;
    for (size_t i = 0; i < *ret_count; i++) {
        const struct px_powercut_entry *entry = &folder->cached.items[i];
        copy[i].name = strdup(entry->name);
        copy[i].kind = disk->tree.nodes[entry->node]->kind;
        assert(copy[i].name != NULL);
    }
    return copy;
}

static int powercut_list(struct px_fs *fs, const char *path, px_fs_visit *visit, void *context)
{
    struct px_powercut *disk = enter(fs);
    if (disk == NULL)
        return -1;
    size_t count = 0;
    struct listed *entries = copy_of_entries(disk, path, &count);
    if (leave(disk, entries != NULL ? 0 : -1) < 0)
        return -1;
    bool stopped = false;
    for (size_t i = 0; i < count; i++) {
        if (!stopped)
            stopped = !visit(context, entries[i].name, entries[i].kind);
        free(entries[i].name);
    }
    free(entries);
    return stopped ? refuse(ECANCELED) : 0;
}

static const struct px_fs powercut_table = {
    .open = powercut_open,
    .close = powercut_close,
    .read_at = powercut_read_at,
    .write_at = powercut_write_at,
    .truncate = powercut_truncate,
    .allocate = powercut_allocate,
    .sync_data = powercut_sync_data,
    .start_sync = powercut_start_sync,
    .sync_folder = powercut_sync_folder,
    .info = powercut_info,
    .rename = powercut_rename,
    .link = powercut_link,
    .unlink = powercut_unlink,
    .make_folder = powercut_make_folder,
    .remove_folder = powercut_remove_folder,
    .list = powercut_list,
    .map = powercut_map,
    .unmap = powercut_unmap,
    .lock = powercut_lock,
};

/* ---- disks and machines -------------------------------------------------------------------------- */

static struct px_powercut *new_disk(void)
{
    struct px_powercut *disk = calloc(1, sizeof *disk);
    assert(disk != NULL);
    pthread_mutex_init(&disk->lock, NULL);
    disk->last_fd = 1000; /* no descriptor of the system's, so that mixing them up shows */
    return disk;
}

struct px_powercut *px_powercut_new(void)
{
    struct px_powercut *disk = new_disk();
    px_powercut_tree_init(&disk->tree);
    return disk;
}

struct px_powercut *px_powercut_copy(struct px_powercut *disk)
{
    struct px_powercut *copy = new_disk();
    pthread_mutex_lock(&disk->lock);
    px_powercut_tree_copy(&copy->tree, &disk->tree);
    copy->last_sequence = disk->last_sequence;
    copy->garbage = disk->garbage;
    pthread_mutex_unlock(&disk->lock);
    return copy;
}

void px_powercut_free(struct px_powercut *disk)
{
    if (disk == NULL)
        return;
    kill_machine(disk);
    while (disk->machines != NULL) {
        struct machine *next = disk->machines->next;
        free(disk->machines);
        disk->machines = next;
    }
    while (disk->maps != NULL) {
        struct map *next = disk->maps->next;
        free(disk->maps->data);
        free(disk->maps);
        disk->maps = next;
    }
    free(disk->opened);
    px_powercut_tree_release(&disk->tree);
    pthread_mutex_destroy(&disk->lock);
    free(disk);
}

struct px_fs *px_powercut_boot(struct px_powercut *disk)
{
    struct machine *machine = calloc(1, sizeof *machine);
    assert(machine != NULL);
    machine->base = powercut_table;
    machine->disk = disk;
    pthread_mutex_lock(&disk->lock);
    kill_machine(disk);
    machine->next = disk->machines;
    disk->machines = machine;
    disk->syncs = 0;
    disk->changes = 0;
    disk->stopped = false;
    pthread_mutex_unlock(&disk->lock);
    return &machine->base;
}

void px_powercut_kill(struct px_powercut *disk)
{
    pthread_mutex_lock(&disk->lock);
    kill_machine(disk);
    pthread_mutex_unlock(&disk->lock);
}

static enum px_powercut_policy choose_policy(struct px_test_random *random)
{
    static const enum px_powercut_policy policies[8] = {
        PX_POWERCUT_DROP_ALL, PX_POWERCUT_KEEP_ALL, PX_POWERCUT_IN_ORDER, PX_POWERCUT_IN_ORDER,
        PX_POWERCUT_RANDOM,   PX_POWERCUT_RANDOM,   PX_POWERCUT_RANDOM,   PX_POWERCUT_RANDOM,
    };
    return policies[px_test_below(random, 8)];
}

void px_powercut_cut(struct px_powercut *disk, enum px_powercut_policy policy, uint64_t seed)
{
    struct px_powercut_fate fate = {.policy = policy, .random = {.state = seed}};
    if (policy == PX_POWERCUT_ANY)
        fate.policy = choose_policy(&fate.random);
    pthread_mutex_lock(&disk->lock);
    kill_machine(disk);
    fate.garbage = disk->garbage;
    px_powercut_tree_cut(&disk->tree, &fate);
    pthread_mutex_unlock(&disk->lock);
}

static void stop_at(struct px_powercut *disk, uint64_t n, enum px_powercut_when when,
                    bool syncs_only)
{
    pthread_mutex_lock(&disk->lock);
    disk->stop_in = n;
    disk->stop_when = when;
    disk->stop_counts_syncs_only = syncs_only;
    pthread_mutex_unlock(&disk->lock);
}

void px_powercut_stop_at_sync(struct px_powercut *disk, uint64_t n, enum px_powercut_when when)
{
    stop_at(disk, n, when, true);
}

void px_powercut_stop_at_change(struct px_powercut *disk, uint64_t n, enum px_powercut_when when)
{
    stop_at(disk, n, when, false);
}

bool px_powercut_stopped(struct px_powercut *disk)
{
    pthread_mutex_lock(&disk->lock);
    bool stopped = disk->stopped;
    pthread_mutex_unlock(&disk->lock);
    return stopped;
}

void px_powercut_fail_sync(struct px_powercut *disk, const char *path_part, uint64_t n)
{
    pthread_mutex_lock(&disk->lock);
    disk->fail_sync_path_part = path_part;
    disk->fail_sync_in = n;
    pthread_mutex_unlock(&disk->lock);
}

void px_powercut_set_garbage(struct px_powercut *disk, bool garbage)
{
    pthread_mutex_lock(&disk->lock);
    disk->garbage = garbage;
    pthread_mutex_unlock(&disk->lock);
}

struct px_powercut_counts px_powercut_counts(struct px_powercut *disk)
{
    pthread_mutex_lock(&disk->lock);
    struct px_powercut_counts counts = {
        .syncs = disk->syncs, .changes = disk->changes, .open_files = disk->opened_count};
    for (const struct map *map = disk->maps; map != NULL; map = map->next)
        counts.maps++;
    pthread_mutex_unlock(&disk->lock);
    return counts;
}
