/* libuv's poll: what its callbacks share with the object that opens its handles. */

#ifndef LOOPWATCH_LIBUV_POLL_H
#define LOOPWATCH_LIBUV_POLL_H

#include "native.h"

enum {
    PREPARE_INIT, PREPARE_START, PREPARE_STOP, CHECK_INIT, CHECK_START, CHECK_STOP,
    CLOSE, UNREF, IDLE_TIME, NOW, FUNCTIONS
};

struct LibuvPoll {
    void *functions[FUNCTIONS];
    void *loop;            /* uv_loop_t; NULL once it is closed */
    void *prepare, *check; /* uv_handle_t: a pointer to this precedes each in memory */
    LoopState *state;          /* borrowed: `abandon_poll` is called at its end */
    uint64_t idle_before;  /* ns, as the poll began */
    double seen;           /* the loop's own time before uvloop set it in this poll, s; or 0.0 */
    int busy;              /* a callback uses `state` and `loop`: see part_poll */
    int holders;           /* handles that libuv has not released, and the LibuvPollObject */
};

typedef uint64_t (*time_function)(const void *);

#define PREFIX 16    /* bytes before a handle, for our pointer; keeps the handle aligned */

static inline LibuvPoll *
poll_of(void *handle)
{
    return *(LibuvPoll **)((char *)handle - PREFIX);
}

void on_prepare(void *handle); /* libuv_callbacks.c */
void on_check(void *handle);
double idle_since(LibuvPoll *poll, uint64_t *idle); /* libuv_poll.c */
double came_back(LibuvPoll *poll, const LoopState *state, double idle, double now);
int make_guards(void);
void part_poll(LibuvPoll *poll);

#endif
