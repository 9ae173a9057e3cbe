/* What the files of the compiled part share: the structs, the wiring, the clock.

   The compiled part does what these Python modules do, with the same results:

   here                 in Python
   loop_state.c         loop/loop_state.py         the numbers of one loop
   request.c            core/request.py            the numbers of one request, `begin`
   step_row.c           ledger/step_table.py       the steps of one coroutine
   request_row.c        ledger/request_row.py      the requests of one route
   finish.c             ledger/request_table.py    the end of a request
   steps.c              loop/python_steps.py       the end of a step, and of a tick
   asyncio_run.c        loop/python_steps.py       asyncio.Handle._run
   asyncio_select.c     loop/python_steps.py       a selector's select
   timed_soon.c, scheduled.c  loop/python_scheduled.py  call_soon and call_later of any other loop
   libuv_poll.c         loop/python_libuv.py       libuv's poll
   response.c           loop/response.py           the `send` that an app gets
   exchange.c           web/middleware.py          the call of an app, awaited
   watcher.c            watchdog/sleep.py          the watchdog's sleep
   glance.c             watchdog/clocks.py         what it reads of the loops meanwhile
   recorder.c           loop/python_recorder.py    the flight recorder of one loop
   recorded_step.c      the same                   what it notes of one step
   moments.c, loop_samples.c                       samples of where the loop's time goes

   tests/native/test_twins.py compares names, test_constants.py beside it constants; the end of a
   request is compared field by field by tests/ledger/test_finish_twins.py and test_exchange_twins.py.

   asyncio_run_type.c, exchange_type.c and libuv_handles.c hold the objects of the files so named;
   ways.h and spares.h hold what all files use.
   Rule: a fast step is arithmetic on two structs. What is long, rare or undecided goes to the
   Python functions that the wiring names; they are the same without the compiled part. They catch
   their own errors; what still leaves them (such as a KeyboardInterrupt) propagates as it does in
   Python.

   The GIL guards everything, except what libuv_poll.c and the files of watcher.h say. There is one
   wiring per process: any but the main interpreter is refused at import, and a build without the
   GIL does not compile. Python does the work there. Types are static, so they cost nothing at each
   step. */

#ifndef LOOPWATCH_NATIVE_H
#define LOOPWATCH_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>
#include <time.h>

#if defined(PYPY_VERSION) || defined(Py_GIL_DISABLED) || PY_VERSION_HEX < 0x030B0000
#error "loopwatch._speedups is for CPython 3.11 or newer with the GIL: elsewhere Python does its work"
#endif

/* MSVC has no such built-ins. Without a watcher of C and without libuv, which are for other systems,
   these numbers are read and written with the GIL. */
#if defined(_MSC_VER) && !defined(__clang__)
#define __ATOMIC_RELAXED 0
#define __ATOMIC_ACQUIRE 2
#define __ATOMIC_RELEASE 3
#define __ATOMIC_ACQ_REL 4
#define __ATOMIC_SEQ_CST 5
#define __atomic_load_n(at, order) (*(at))
#define __atomic_load(at, into, order) ((void)(*(into) = *(at)))
#define __atomic_store_n(at, value, order) ((void)(*(at) = (value)))
#define __atomic_sub_fetch(at, count, order) (*(at) -= (count))
#define __atomic_thread_fence(order) ((void)0)
#endif

#define ABI 16 /* raise it, and that of core/speedups.py, if older builds would not fit any more */

#define EDGES 16    /* of a histogram, at most */
#define RECENT 1024 /* requests of a row that are remembered */
#define PARTS 5     /* numbers of each: when it arrived; its latency, queued, running, stalled */
#define MANY 256    /* long steps kept in a request before its row takes them */
#define NOTES 32    /* long steps of a young tick that are remembered until it ends */
#define MOMENTS 64  /* of where the loop's time goes, kept until Python takes them */
#define DEPTH 128   /* frames of such a sample */

/* ---------------------------------------------------------------- the clock */

extern double clock_step, clock_now; /* of an even clock, for counting instructions; see clock.c */

#ifdef _WIN32
double read_system_clock(void);
#else
static inline double
read_system_clock(void)
{
#ifdef __APPLE__
    return (double)clock_gettime_nsec_np(CLOCK_UPTIME_RAW) / 1e9;
#else
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)(at.tv_sec * 1000000000LL + at.tv_nsec) / 1e9; /* as time.perf_counter rounds */
#endif
}
#endif

/* Returns seconds of the clock that time.perf_counter reads. */
static inline double
read_clock(void)
{
    return clock_step == 0.0 ? read_system_clock() : (clock_now += clock_step);
}

/* ---------------------------------------------------------------- the structs */

typedef struct {
    Py_ssize_t counts[EDGES + 1];
    double sums[EDGES + 1]; /* s */
} Buckets;

typedef struct {
    PyObject *code, *endpoint; /* what ran: a code object or a type; its request's, or NULL */
    PyObject *request;         /* that request */
    double took;               /* s */
} Note;

typedef struct LibuvPoll LibuvPoll;
typedef struct Recorder Recorder; /* recorder.h */

typedef struct {
    PyObject_HEAD
    double mark, tick, idle, limit, threshold, behind, busy_since, idle_before, idle_at_turn, other_seconds;
    double until; /* when the poll in progress ends by itself; 0.0: not known */
    Py_ssize_t other_steps, turns, ready;
    char polling, eager, closed, asleep;
    PyObject *running; /* the handle whose step is in progress, or NULL; borrowed from its loop */
    PyObject *entered; /* a request, or None */
    PyObject *owner;   /* borrowed: the request whose exchange was resumed in this step, or NULL */
    PyObject *ended;   /* that request, if it has ended in this step */
    PyObject *driven;  /* borrowed: the app's coroutine that an exchange runs now, or NULL */
    PyObject *long_tick;
    PyObject *span; /* () -> the current span's ids, or None; None if spans are not kept */
    LibuvPoll *poll;
    Recorder *recorder; /* NULL: nothing is recorded; it stays until the end */
    char served;        /* the step resumed the exchange of the request that owns it */
    Buckets ticks;
    double squares[EDGES + 1];
    Note notes[NOTES];
    int noted;
    unsigned int version; /* odd while a poll's end is being written without the GIL */
    Py_ssize_t asked;     /* random moments whose sample has not been taken yet; loop_samples.c */
    double asked_at;      /* when the first of them was */
    double sampling;      /* s that samples have taken of its thread's time */
    PyObject *samples;    /* a list, until Python takes it; or NULL */
    PyObject *known_rows; /* the address of a coroutine's code -> (code, row); NULL: none is known */
    Py_ssize_t lost_samples; /* moments without room for their sample */
    unsigned long thread_id;
    char main, sampled; /* it runs on the main thread; samples are wanted */
} LoopState;

/* Where a loop is. */
typedef struct {
    double mark, idle, tick; /* while a poll waits: `idle` until now, `tick` its beginning */
    Py_ssize_t turns;
    int polling, waits; /* between `prepare` and `check`, or in `select`; and no code runs there */
} Position;

typedef struct {
    PyObject_HEAD
    double started, ended, seconds, queued, stalled, pooled, responded, settled;
    double taken, charged, charged_background, charged_stalled, stepped;
    Py_ssize_t steps, serial, long_steps, room;
    double *times; /* s each, of the long steps that its row has not taken */
    PyObject *door, *outer, *row, *scope;
    PyObject *span, *waits, *routed; /* ids, a list, a tuple; or NULL */
} Request;

typedef struct {
    PyObject_HEAD
    double seconds;
    Py_ssize_t steps;
    Buckets all; /* of the long ones */
} StepRow;

typedef struct {
    PyObject_HEAD
    double running, time, queued, stalled, pooled, background;
    PyObject *door, *method, *steps;
    PyObject *recorder; /* of its loop, or NULL */
    Py_ssize_t number;  /* of this row in it */
    Buckets latency;
    double *recent; /* `PARTS` of each of the latest requests, in a ring of `room` */
    Py_ssize_t room, finished;
} RequestRow;

/* Replaces a callback in the loop, and stands for the loop's handle in our code; see scheduled.c */
typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *callback;
    PyObject *context; /* once its step was long; else NULL */
    LoopState *state;
    double made; /* when it was scheduled, s of the clock */
    double due;  /* of a timer; else 0.0 */
    char waits;  /* it is ready, and counted in `ready` of the loop state */
} Scheduled;

extern PyTypeObject LoopStateType, RequestType, RequestRowType, StepRowType, TimedRunType,
    TimedSelectType, ScheduledType, TimedSoonType, LibuvPollType, ResponseType, ExchangeType,
    MiddlewareType, WatcherType;

/* ---------------------------------------------------------------- the wiring */

typedef struct {
    PyObject *variable; /* ContextVar of the request */
    PyTypeObject *task_type;
    PyTypeObject *handle_type;
    PyObject *plain_run;       /* asyncio's own Handle._run */
    PyObject *report;          /* (handle, exception): report it as asyncio does */
    PyObject *end_long_step;   /* (loop state, handle, request or None, took) */
    PyObject *end_other_step;  /* (loop state, handle, took) */
    PyObject *share_step;      /* (loop state, handle, request or None, took) */
    PyObject *end_gap;         /* (loop state, took) */
    PyObject *many_steps;      /* (loop state, request) */
    PyObject *suspended;       /* (handle) -> where its task's coroutines are suspended */
    PyObject *running_loop;    /* asyncio._get_running_loop */
    PyObject *awaiting;        /* (awaitable) -> coroutine */
    PyObject *nothing;         /* () */
    double edges[EDGES];       /* of all histograms, s */
    Py_ssize_t edge_count;
    Py_ssize_t busy_tick;          /* ready callbacks from which every step goes the slow way */
    double slow;               /* s of latency from which a request keeps its span */
    double first;              /* s: steps below it are only counted */
    double old;                /* s of a tick from which all its steps are noted */
    double least;              /* of the threshold: so long a tick makes requests wait */
    double waited;             /* s in the poll: whatever was ready has had its turn */
} Wired;

extern Wired wired;

#define STRINGS(X) \
    X(_args) X(_callback) X(_context) X(_loop) X(_when) X(__call__) X(__code__) X(__func__) X(__self__) X(close) \
    X(cr_code) X(endpoint) X(finish) X(func) X(_coro) X(gi_code) X(method) X(more_body) \
    X(more_trailers) X(nested) X(note) X(path_template) X(serve) X(throw) X(trailers) X(type)
#define DECLARE(name) extern PyObject *str_##name;
STRINGS(DECLARE)
#undef DECLARE
extern PyObject *str_http, *str_websocket, *str_body, *str_start;
extern PyObject *str_path, *str_zero_copy, *str_trailers_message;

int is_wired(void); /* whether all wirings were done; else an exception is set */

/* ---------------------------------------------------------------- by file */

int add_long_step(Request *request, double took);        /* request.c */
double long_seconds(const Request *request);
void take_long_steps(StepRow *row, Request *request);
PyObject *begin(PyObject *module, PyObject *const *args, Py_ssize_t count);
Request *begin_request(PyObject *door, PyObject *scope);
PyObject *requests_begun(PyObject *module, PyObject *nothing);

int add_to_row(RequestRow *row, Request *request, double now, double step); /* finish.c */
void add_to_recent(RequestRow *row, const double *parts);
int finish_request(LoopState *state, PyObject *rows, Request *request);
PyObject *add_request(PyObject *module, PyObject *args);
PyObject *add_to_known(PyObject *module, PyObject *const *args, Py_ssize_t count);

int end_step(LoopState *state, PyObject *handle, PyObject *request, double began, double now);
int end_tick(LoopState *state, double ended);
int ends_slowly(const LoopState *state, double took);
void count_tick(LoopState *state, double took);
void fall_behind(LoopState *state, double took, double ended);
void forget_notes(LoopState *state);

PyObject *of_handle(PyObject *handle, Py_ssize_t at, PyObject *name); /* asyncio_run.c */
PyObject *of_timer(PyObject *handle);
void find_slots(void);
extern Py_ssize_t at_callback;
PyObject *timed_run(PyObject *module, PyObject *args);    /* asyncio_run_type.c */
PyObject *timed_select(PyObject *module, PyObject *args); /* asyncio_select.c */
PyObject *scheduled_call(Scheduled *self, PyObject *const *args, size_t count, PyObject *names);
PyObject *timed_soon(PyObject *module, PyObject *args);   /* timed_soon.c */
PyThreadState *thread_of(unsigned long id); /* module.c: of this interpreter, NULL if there is none */
PyObject *read_at_once(PyObject *module, PyObject *descriptor); /* kernel_file.c */
PyObject *look_up(PyObject *module, PyObject *args);      /* look_up.c */
PyObject *look_up_from(PyObject *module, PyObject *args); /* look_up.c */
PyObject *stand(PyObject *module, PyObject *args);        /* look_up.c */
PyObject *rest(PyObject *module, PyObject *args);         /* rest.c: as in core/rest.py */
PyObject *spots_of(PyThreadState *thread, Py_ssize_t most); /* look_up.c */
void take_ended(LoopState *state, PyObject *handle, PyObject *request, double began);
PyObject *state_take_samples(LoopState *state, PyObject *unused); /* loop_samples.c */

void note_libuv_time(LibuvPoll *poll);                    /* libuv_poll.c */
void abandon_poll(LibuvPoll *poll);                       /* libuv_handles.c */
double since_poll_of(LoopState *state, double now, int *waits);
void guard_polls_anew(void);
void read_position(LoopState *state, double now, Position *position); /* loop_state.c, no GIL */

int ask_late(LoopState *state, Request *request, PyObject *receive, PyObject *late); /* response.c */
PyObject *new_response(LoopState *state, Request *request, PyObject *send, PyObject *start);
PyObject *answering(PyObject *module, PyObject *const *args, Py_ssize_t count);

void wake_watcher(void);                                  /* bell.c */

#include "spares.h"
#include "ways.h"

#endif
