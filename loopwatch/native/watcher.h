/* The watchdog's sleep: what bell.c, glance.c, watcher.c, watcher_loops.c and watcher_type.c
   share. */

#ifndef LOOPWATCH_WATCHER_H
#define LOOPWATCH_WATCHER_H

#include "gil_turns.h"

#ifndef _WIN32
#include <poll.h>
#include <stdint.h>

#define FILES 8     /* `cpu.stat` of groups, at most */
#define UNKNOWN -1.0
#define NEVER 1e300
#define FOREVER 1e300

/* Of the process and of the watchdog's own thread, at one moment. */
typedef struct {
    double at;        /* clock, s */
    double process;   /* CPU s of all threads */
    double throttled; /* s that quotas have kept us off the CPU; or UNKNOWN */
    double cpu;       /* CPU s of the watchdog */
    double queued;    /* s that the watchdog was ready without a CPU; or UNKNOWN */
    long long slices; /* of the watchdog */
} Around;

/* A loop at one moment. */
typedef struct {
    Around around;
    double idle, cpu; /* s in polls; CPU s of the thread, or UNKNOWN */
    double queued;
    long long slices;
} Reading;

typedef struct {
    LoopState *state;
    double early;     /* s of a step or a tick from which Python looks */
    clockid_t clock;  /* of the thread's CPU time, if `timed` */
    int descriptor;   /* of what it polls, or -1 */
    int schedule;     /* the thread's schedstat, or -1 */
    int call;         /* the file that says which system call it is in, or -1 */
    Position is;      /* at the latest glance */
    Reading latest;   /* of that glance; while it waits in one poll, of the poll's beginning */
    Reading before;   /* the latest from before the tick in progress */
    double stirred;   /* since when it has been awake in its poll; 0.0: it is not */
    double step, tick; /* beginnings of the old step and tick that Python has looked at */
    char known;       /* `latest` is filled */
    char fresh;       /* it may still have used CPU in its poll when `latest` was read */
    char timed, moved, asks; /* it has `clock`; moved since Python looked; Python must look */
    char elsewhere;   /* as we asked for the GIL, it waited, but not for the GIL */
} Loop;

typedef struct Watcher {
    PyObject_HEAD
    struct Watcher *next; /* of all watchers */
    int bell[2];          /* a pipe */
    double rang;          /* when a loop first rang it since it was emptied; NEVER: none has */
    int rung;             /* by Python */
    char waiting;         /* a thread is in `wait` */
    char armed;           /* `asleep` is set in the loop states */
    char main;            /* a loop runs on the main thread */
    char others;          /* other threads work, and Python has not looked for long */
    Loop *loops;
    struct pollfd *polled;   /* the bell, then each loop's */
    Py_ssize_t count;
    double period, patience; /* s between two glances; s of delay from which a wake is late */
    double now, meant;       /* when the latest glance was, and when it was planned */
    double asked;            /* since when we wait for the GIL; NEVER: we do not */
    double wait_began;       /* of a long wait for the GIL during the sleep; NEVER: none */
    double looked, process;  /* when Python last looked, and CPU s of all threads as of then */
    double moving;           /* when a loop first moved since Python looked; NEVER: none has */
    int schedule, files[FILES], file_count;
    unsigned int version;    /* odd while the loops' readings are written */
    Py_buffer keep_alive;         /* one double: when the next beat is due */
    int timer;               /* expires if that beat does not come; -1: there is no keep-alive */
    double stops;            /* s after `keep_alive` at which it expires */
    PyThreadState *state;
    double had;              /* when `wait` got the GIL at its end */
    double mean;             /* s between two random moments */
    double moment;           /* the next random one; NEVER: all loops wait */
    uint64_t seed;
    char turns;              /* turns at the GIL are asked for */
    char wants;              /* a sample was asked for that only we can take */
} Watcher;

int join_watchers(Watcher *watcher); /* bell.c: 0, or -1 with an exception set */
void leave_watchers(Watcher *watcher);
void forget_parent(void);
void ring_bell(Watcher *watcher);
double hear_bell(Watcher *watcher); /* returns when a loop first rang it */
int on_main_thread(void *unused);
extern int posted;

void read_around(Around *around, double now, int schedule, const int *files, int count);
void glance_at(Loop *loop, const Around *around, int late);
double since_step(const Loop *loop); /* when the step of a running loop began */
int waits_elsewhere(const Loop *loop);

void take_loops(Watcher *watcher, Loop *loops, struct pollfd *polled, Py_ssize_t count);
PyObject *watcher_watch(Watcher *watcher, PyObject *args); /* watcher_loops.c */
PyObject *watcher_before(Watcher *watcher, PyObject *state);
PyObject *watcher_glimpse(Watcher *watcher, PyObject *state);

Watcher *first_watcher(void); /* bell.c; needs the GIL */

void plan_moment(Watcher *watcher, int quiet); /* moments.c */
void ask_at_moment(Watcher *watcher);
void skip_moments(Watcher *watcher, double now);
void take_missed(Watcher *watcher, double now);
void take_own_samples(Watcher *watcher);

void note_moment(LoopState *state, double at); /* loop_samples.c */
int ask_for_sample(LoopState *state, double now);
void take_noted(Watcher *watcher);
void forget_call(void);
int post_call(int (*call)(void *), int main); /* pending_call.c */

void disarm(Watcher *watcher); /* watcher.c */
void sleep_while_quiet(Watcher *watcher, double wish);

double take_gil(Watcher *watcher); /* watcher_gil.c */
void let_gil_go(Watcher *watcher, double asked, double had);
void end_turns(Watcher *watcher);
void beat(Watcher *watcher, double due);

#endif
#endif
