/* Channels: messages stay whole, descriptors come along, and an end that is gone is noticed. */
#include "scratch.h"

#include "dies.h"

#include "shm/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static int ends[2];

static int setup(void **state)
{
    (void)state;
    return fls_channel_create(ends);
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    return 0;
}

static void close_end(int i)
{
    close(ends[i]);
    ends[i] = -1;
}

static void is_close_on_exec(int fd)
{
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void keeps_messages_whole(void **state)
{
    static uint8_t sent[FLS_CHANNEL_MESSAGE_MAX + 2], received[FLS_CHANNEL_MESSAGE_MAX];
    uint64_t seed = 17;
    int fd;

    (void)state;
    is_close_on_exec(ends[0]);
    is_close_on_exec(ends[1]);
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)scratch_random(&seed);
    for (int round = 0; round < 200; round++) {
        size_t sizes[3];

        for (int i = 0; i < 3; i++) {
            sizes[i] = 1 + scratch_random(&seed) % (round % 10 ? 100 : sizeof(received));
            assert_int_equal(fls_channel_send(ends[round % 2], sent + i, sizes[i], -1), 0);
        }
        for (int i = 0; i < 3; i++) {
            assert_int_equal(
                fls_channel_receive(ends[1 - round % 2], received, sizeof(received), &fd, i % 2),
                sizes[i]);
            assert_int_equal(fd, -1);
            assert_memory_equal(received, sent + i, sizes[i]);
        }
    }
}

static void has_nothing_now(void **state)
{
    char byte;
    int fd = 5;

    (void)state;
    assert_int_equal(fls_channel_receive(ends[0], &byte, 1, &fd, 0), -EAGAIN);
    assert_int_equal(fd, -1);
}

static void passes_descriptors(void **state)
{
    int pipes[2], fd;
    char text[8] = {0};

    (void)state;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(pipe(pipes), 0);
        assert_int_equal(fls_channel_send(ends[0], &i, sizeof(i), pipes[1]), 0);
        assert_int_equal(fls_channel_send(ends[0], &i, sizeof(i), -1), 0);
        close(pipes[1]); /* the one under way is another */
        assert_int_equal(fls_channel_receive(ends[1], text, sizeof(text), &fd, 1), sizeof(i));
        assert_memory_equal(text, &i, sizeof(i));
        assert_true(fd >= 0);
        is_close_on_exec(fd);
        assert_int_equal(write(fd, "gone", 5), 5);
        close(fd);
        assert_int_equal(read(pipes[0], text, sizeof(text)), 5);
        assert_string_equal(text, "gone");
        assert_int_equal(read(pipes[0], text, sizeof(text)), 0); /* no copy of it is left open */
        close(pipes[0]);
        assert_int_equal(fls_channel_receive(ends[1], text, sizeof(text), &fd, 1), sizeof(i));
        assert_int_equal(fd, -1);
    }
}

static void passes_many_descriptors_in_order(void **state)
{
    int pipes[FLS_CHANNEL_FDS_MAX][2], fds[FLS_CHANNEL_FDS_MAX];
    uint32_t cnt;
    char byte;

    (void)state;
    for (uint32_t max = 0; max <= FLS_CHANNEL_FDS_MAX; max += 8) {
        for (uint32_t i = 0; i < max; i++) {
            assert_int_equal(pipe(pipes[i]), 0);
            fds[i] = pipes[i][1];
        }
        assert_int_equal(fls_channel_try(ends[0], "x", 1, fds, max), 0);
        for (uint32_t i = 0; i < max; i++)
            close(fds[i]);
        assert_int_equal(fls_channel_receive_all(ends[1], &byte, 1, fds, &cnt), 1);
        assert_int_equal(cnt, max);
        for (uint32_t i = 0; i < max; i++) {
            is_close_on_exec(fds[i]);
            assert_int_equal(write(fds[i], "y", 1), 1);
            close(fds[i]);
            assert_int_equal(read(pipes[i][0], &byte, 1), 1);
            close(pipes[i][0]);
        }
    }
    assert_int_equal(fls_channel_receive_all(ends[1], &byte, 1, fds, &cnt), -EAGAIN);
    assert_int_equal(cnt, 0);
}

/* What was sent before the end still arrives, then the end; sending to it is an error. */
static void notices_a_peer_that_is_gone(void **state)
{
    char byte = 'x';
    int fd;

    (void)state;
    assert_int_equal(fls_channel_send(ends[0], &byte, 1, -1), 0);
    close_end(0);
    assert_int_equal(fls_channel_receive(ends[1], &byte, 1, &fd, 1), 1);
    for (int wait = 0; wait < 2; wait++)
        assert_int_equal(fls_channel_receive(ends[1], &byte, 1, &fd, wait), 0);
    assert_int_equal(fls_channel_send(ends[1], &byte, 1, -1), -EPIPE);
}

/* The peer goes with messages to it unread: it is gone as any other, whichever call notices. */
static void notices_a_peer_that_did_not_read(void **state)
{
    char byte = 'x';
    int fd;

    (void)state;
    assert_int_equal(fls_channel_send(ends[1], &byte, 1, -1), 0);
    close_end(0);
    assert_int_equal(fls_channel_receive(ends[1], &byte, 1, &fd, 1), 0);
    assert_int_equal(fls_channel_send(ends[1], &byte, 1, -1), -EPIPE);
}

static void cannot_send_to_a_peer_that_did_not_read(void **state)
{
    char byte = 'x';

    (void)state;
    assert_int_equal(fls_channel_send(ends[1], &byte, 1, -1), 0);
    close_end(0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fls_channel_send(ends[1], &byte, 1, -1), -EPIPE);
}

/* The sender waits for room: all arrives, from a process that is far ahead. */
static void waits_for_room(void **state)
{
    enum { MESSAGES = 3000 };
    static uint8_t message[FLS_CHANNEL_MESSAGE_MAX];
    pid_t child = fork();
    int fd;

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        for (uint32_t i = 0; i < MESSAGES; i++) {
            memcpy(message, &i, sizeof(i));
            if (fls_channel_send(ends[0], message, sizeof(message), -1))
                _exit(1);
        }
        _exit(0);
    }
    close_end(0);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        assert_int_equal(fls_channel_receive(ends[1], message, sizeof(message), &fd, 1),
                         sizeof(message));
        assert_memory_equal(message, &i, sizeof(i));
    }
    assert_int_equal(fls_channel_receive(ends[1], message, sizeof(message), &fd, 1), 0);
    assert_ends_well(child);
}

/* A process at its limit of open files is told so. */
static void tells_that_descriptors_ran_out(void **state)
{
    int fds[FLS_CHANNEL_FDS_MAX], fd, free_fd;
    struct rlimit limit, none;
    char byte = 'x';
    uint32_t cnt;

    (void)state;
    assert_int_equal(fls_channel_send(ends[0], &byte, 1, STDIN_FILENO), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){3, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(fls_channel_receive(ends[1], &byte, 1, &fd, 1), -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(fd, -1);
    /* where there is a number for one of two, that one is closed again */
    fds[0] = fds[1] = STDIN_FILENO;
    none.rlim_cur = (rlim_t)(free_fd = dup(STDIN_FILENO)) + 1;
    close(free_fd);
    assert_int_equal(fls_channel_try(ends[0], &byte, 1, fds, 2), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(fls_channel_receive_all(ends[1], &byte, 1, fds, &cnt), -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(cnt, 0);
    assert_int_equal(fcntl(free_fd, F_GETFD), -1);
}

static void send_sized(void *sz)
{
    static uint8_t message[FLS_CHANNEL_MESSAGE_MAX + 1];

    fls_channel_send(ends[0], message, *(size_t *)sz, -1);
}

static void receive_into_less(void *argument)
{
    char two[2] = "x";
    int fd;

    (void)argument;
    fls_channel_send(ends[0], two, 2, -1);
    fls_channel_receive(ends[1], two, 1, &fd, 1);
}

static void has_limits(void **state)
{
    size_t none = 0, too_much = FLS_CHANNEL_MESSAGE_MAX + 1;

    (void)state;
    assert_dies(send_sized, &none, SIGABRT);
    assert_dies(send_sized, &too_much, SIGABRT);
    assert_dies(receive_into_less, NULL, SIGABRT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keeps_messages_whole),
        TEST(has_nothing_now),
        TEST(passes_descriptors),
        TEST(passes_many_descriptors_in_order),
        TEST(notices_a_peer_that_is_gone),
        TEST(notices_a_peer_that_did_not_read),
        TEST(cannot_send_to_a_peer_that_did_not_read),
        TEST(waits_for_room),
        TEST(tells_that_descriptors_ran_out),
        TEST(has_limits),
    };

    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
