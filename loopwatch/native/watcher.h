/* The watchdog's sleep: what bell.c, glance.c, watcher.c, watcher_loops.c and watcher_type.c share. */

#ifndef LOOPWATCH_WATCHER_H
#define LOOPWATCH_WATCHER_H

#include "native.h"

#ifndef _WIN32
#include <poll.h>

#define FILES 8     /* `cpu.stat` of groups, at most */
#define UNKNOWN -1.0
#define NEVER 1e300

/* Of the process and of the watchdog's own thread, at one moment. */
typedef struct {
    double at;        /* clock, s */
    double process;   /* CPU s of all threads */
    double throttled; /* s that quotas have kept us off the CPU; or UNKNOWN */
    double cpu;       /* CPU s of the watchdog */
    double queued;    /* s that it was ready without a CPU; or UNKNOWN */
    long long slices; /* that it ran */
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
    Position is;      /* at the latest glance */
    Reading latest;   /* of that; while it waits in one poll, of that poll's beginning */
    Reading before;   /* the latest from before the tick in progress */
    double stirred;   /* since when it is awake in its poll, and has not left it; 0.0: it is not */
    double step, tick; /* that Python has looked at when it was old */
    char known;       /* `latest` is filled */
    char fresh;       /* it may not have come to rest in its poll when `latest` was read */
    char timed, moved, asks; /* ...; since Python looked; Python is to look */
} Loop;

typedef struct Watcher {
    PyObject_HEAD
    struct Watcher *next; /* of those there are */
    int bell[2];          /* a pipe */
    double rang;          /* when a loop rang it first since it was heard; NEVER: none has */
    int rung;             /* by Python */
    char waiting;         /* a thread is in `wait` */
    char armed;           /* the loop states are told that we are asleep */
    char main;            /* a loop runs on the main thread */
    char others;          /* of the process work while Python has long not looked */
    Loop *loops;
    struct pollfd *polled;   /* the bell, then each loop's */
    Py_ssize_t count;
    double period, patience; /* s; between two glances, and behind its time from which a wake is late */
    double now, meant;       /* of the latest glance, and when it should have been */
    double asked;            /* for the GIL, which we have not got; NEVER: we have not */
    double wait_began;       /* for the GIL, in between; NEVER: it was had at once */
    double looked, process;  /* when Python last looked, and CPU s of all threads as of then */
    double moving;           /* since when a loop moves that it has not looked at; NEVER: none does */
    int schedule, files[FILES], file_count;
    unsigned int version;    /* odd while the loops' readings are written */
    Py_buffer keep_alive;         /* one double: when the next beat is due */
    int timer;               /* goes off if it does not come; -1: there is no keep-alive */
    double stops;            /* s after which it does */
    PyThreadState *state;
} Watcher;

int join_watchers(Watcher *watcher); /* bell.c: 0, or -1 with an exception set */
void leave_watchers(Watcher *watcher);
void ring_bell(Watcher *watcher);
double hear_bell(Watcher *watcher); /* returns when it was rung */
int on_main_thread(void *unused);
extern int posted;

void read_around(Around *around, double now, int schedule, const int *files, int count);
void glance_at(Loop *loop, const Around *around, int late);
double since_step(const Loop *loop); /* when the step in progress began; of a loop that does not wait */

void take_loops(Watcher *watcher, Loop *loops, struct pollfd *polled, Py_ssize_t count);
PyObject *watcher_watch(Watcher *watcher, PyObject *args); /* watcher_loops.c */
PyObject *watcher_before(Watcher *watcher, PyObject *state);

void disarm(Watcher *watcher); /* watcher.c */
double take_gil(Watcher *watcher);
void sleep_while_quiet(Watcher *watcher, double wish);

#endif
#endif
