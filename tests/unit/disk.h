/* What a disk may hold after a power cut, made from the record of the calls: all that was synced;
 * of the rest anything, in pieces of a sector, and of names that were made, changed or removed
 * since their folder was synced, any. */
#pragma once

#include "calls.h"

#define DISK_FILES_MAX 1024U
#define DISK_SECTOR_SZ 512U

/* What of that which was not synced got to the disk all the same. */
enum disk_luck {
    DISK_NOTHING,
    DISK_ALL, /* as if the process had been killed only */
    DISK_NAMES,
    DISK_BYTES,
    DISK_ANYTHING,
    DISK_LUCK_CNT
};

struct disk_file {
    bool is_folder;
    uint8_t *bytes;
    size_t sz;
    uint32_t first_unsynced; /* the call from which on nothing is synced */
};

struct disk_name {
    char path[CALLS_PATH_MAX];
    uint32_t file;
};

struct disk {
    struct disk_file files[DISK_FILES_MAX];
    uint32_t of_call[CALLS_MAX]; /* the file that the call was about */
    uint32_t file_cnt;
    struct disk_name now[DISK_FILES_MAX], synced[DISK_FILES_MAX]; /* names as the program saw them,
                                                                     as they are on the disk */
    uint32_t now_cnt, synced_cnt;
    bool is_name_call[CALLS_MAX]; /* names that are not synced yet */
    uint64_t seed;
    enum disk_luck luck;
};

static inline uint32_t disk_find(const struct disk_name *names, uint32_t cnt, const char *path)
{
    uint32_t i = 0;

    while (i < cnt && strcmp(names[i].path, path) != 0)
        i++;
    return i;
}

static inline void disk_link(struct disk_name *names, uint32_t *cnt, const char *path,
                             uint32_t file)
{
    uint32_t i = disk_find(names, *cnt, path);

    if (i == *cnt)
        assert_true(++*cnt < DISK_FILES_MAX);
    strcpy(names[i].path, path);
    names[i].file = file;
}

static inline void disk_unlink(struct disk_name *names, uint32_t *cnt, const char *path)
{
    uint32_t i = disk_find(names, *cnt, path);

    if (i < *cnt)
        names[i] = names[--*cnt];
}

/* What a call does to names: those that the program sees, or those on the disk. */
static inline void disk_rename(const struct call *call, uint32_t file, struct disk_name *names,
                               uint32_t *cnt)
{
    if (call->kind == CALL_RENAME || call->kind == CALL_UNLINK)
        disk_unlink(names, cnt, call->path);
    if (call->kind == CALL_RENAME)
        disk_link(names, cnt, call->to, file);
    if (call->kind == CALL_CREATE || call->kind == CALL_MKDIR)
        disk_link(names, cnt, call->path, file);
}

static inline bool disk_is_in(const char *path, const char *folder)
{
    const char *slash = strrchr(path, '/');
    size_t sz = slash == NULL ? 0 : (size_t)(slash - path);

    return strlen(folder) == sz && strncmp(path, folder, sz) == 0;
}

static inline bool disk_chance(struct disk *disk, enum disk_luck kind)
{
    if (disk->luck == DISK_ANYTHING)
        return scratch_random(&disk->seed) % 2 == 0;
    return disk->luck == DISK_ALL || disk->luck == kind;
}

static inline void disk_resize(struct disk_file *file, size_t sz)
{
    if (sz > file->sz) {
        file->bytes = realloc(file->bytes, sz);
        assert_non_null(file->bytes);
        memset(file->bytes + file->sz, 0, sz - file->sz);
    }
    file->sz = sz;
}

/* One call's bytes get to the disk, or, unless it was synced, some of its sectors. */
static inline void disk_write(struct disk *disk, struct disk_file *file, const struct call *call,
                              bool is_synced)
{
    if (call->kind == CALL_TRUNCATE && (is_synced || disk_chance(disk, DISK_BYTES)))
        disk_resize(file, call->at);
    if (call->kind != CALL_WRITE)
        return;
    for (size_t done = 0, piece; done < call->sz; done += piece) {
        size_t at = call->at + done;

        piece = DISK_SECTOR_SZ - at % DISK_SECTOR_SZ;
        if (piece > call->sz - done)
            piece = call->sz - done;
        if (!is_synced && !disk_chance(disk, DISK_BYTES))
            continue;
        if (at + piece > file->sz)
            disk_resize(file, at + piece);
        memcpy(file->bytes + at, calls.log->data + call->data + done, piece);
    }
}

static inline void disk_flush(struct disk *disk, uint32_t file, uint32_t end, bool is_synced)
{
    for (uint32_t i = disk->files[file].first_unsynced; i < end; i++)
        if (disk->of_call[i] == file)
            disk_write(disk, &disk->files[file], &calls.log->calls[i], is_synced);
    disk->files[file].first_unsynced = end;
}

static inline void disk_flush_names(struct disk *disk, const char *folder, uint32_t end)
{
    for (uint32_t i = 0; i < end; i++) {
        const struct call *call = &calls.log->calls[i];

        if (!disk->is_name_call[i] || (folder != NULL && !disk_is_in(call->path, folder)))
            continue;
        disk->is_name_call[i] = false;
        if (folder != NULL || disk_chance(disk, DISK_NAMES))
            disk_rename(call, disk->of_call[i], disk->synced, &disk->synced_cnt);
    }
}

static inline void disk_take(struct disk *disk, uint32_t number)
{
    const struct call *call = &calls.log->calls[number];
    uint32_t i = disk_find(disk->now, disk->now_cnt, call->path);
    uint32_t file = i < disk->now_cnt ? disk->now[i].file : UINT32_MAX;

    if (call->kind == CALL_CREATE || call->kind == CALL_MKDIR) {
        file = disk->file_cnt++;
        assert_true(file < DISK_FILES_MAX);
        disk->files[file] = (struct disk_file){.is_folder = call->kind == CALL_MKDIR};
    }
    disk->of_call[number] = file;
    disk->is_name_call[number] = call->kind == CALL_CREATE || call->kind == CALL_MKDIR ||
                                 call->kind == CALL_RENAME || call->kind == CALL_UNLINK;
    disk_rename(call, file, disk->now, &disk->now_cnt);
    if (call->kind != CALL_SYNC)
        return;
    if (file == UINT32_MAX || disk->files[file].is_folder)
        disk_flush_names(disk, call->path, number);
    else
        disk_flush(disk, file, number, true);
}

/* Writes what is on the disk to the folder, which is empty. */
static inline void disk_lay_out(const struct disk *disk, const char *folder)
{
    char path[SCRATCH_PATH_MAX + CALLS_PATH_MAX + 1];

    for (int folders = 1; folders >= 0; folders--)
        for (uint32_t i = 0; i < disk->synced_cnt; i++) {
            const struct disk_file *file = &disk->files[disk->synced[i].file];
            int fd;

            if (file->is_folder != folders)
                continue;
            snprintf(path, sizeof(path), "%s/%s", folder, disk->synced[i].path);
            if (file->is_folder) {
                assert_int_equal(mkdir(path, 0700), 0);
                continue;
            }
            fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            if (fd < 0 && errno == ENOENT)
                continue; /* its folder has no name */
            assert_true(fd >= 0);
            assert_int_equal(write(fd, file->bytes, file->sz), file->sz);
            close(fd);
        }
}

/* The folder as it may be after a cut before call number `end` of the record. */
static inline void disk_after_cut(uint32_t end, enum disk_luck luck, uint64_t seed,
                                  const char *folder)
{
    static struct disk disk;

    disk.file_cnt = disk.now_cnt = disk.synced_cnt = 0;
    disk.luck = luck;
    disk.seed = seed;
    for (uint32_t i = 0; i < end; i++)
        disk_take(&disk, i);
    for (uint32_t i = 0; i < disk.file_cnt; i++)
        disk_flush(&disk, i, end, false);
    disk_flush_names(&disk, NULL, end);
    disk_lay_out(&disk, folder);
    for (uint32_t i = 0; i < disk.file_cnt; i++)
        free(disk.files[i].bytes);
}
