/* A libnvidia-ml.so.1 for the tests: it answers what the file $NVML_BOX says.
 *
 * The file has one word and its values a line. `driver` and `cuda` are the box's; `gpu` begins a
 * board and `slice N` a MIG slice of the last board; the lines after them describe that device.
 * What is not said is not supported. Memory is given in MiB: total, reserved, used.
 * `error FUNCTION CODE` makes a function fail, on the device last begun or, before any, everywhere;
 * `lost_after N` makes a board answer N calls and be lost from then on. OLD_DRIVER is one of
 * before 2022, which lacks the newer names of some functions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define MOST 16
#define MIB 1048576ULL
enum { OK = 0, BAD_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, LOST = 15 };

typedef struct {
    unsigned pid;
    long long mib; /* below 0: the driver does not tell */
    int graphics;
} Process;

typedef struct Device {
    char name[96], uuid[96];
    long long total, reserved, used; /* MiB; total below 0: not supported */
    int major, minor, mig, slots, slot;
    long long utilisation, power, limit, temperature, slowdown_at, reasons, energy;
    Process processes[MOST];
    int process_count;
    struct { char function[64]; int code; } errors[MOST];
    int error_count, calls_left, slice_count;
    struct Device *slices[MOST];
} Device;

static Device box, boards[MOST];
static int board_count, cuda;
static char driver[80];

static void begin(Device *device) {
    memset(device, 0, sizeof *device);
    device->total = device->major = device->mig = -1;
    device->utilisation = device->power = device->limit = device->temperature = -1;
    device->slowdown_at = device->reasons = device->energy = -1;
    device->calls_left = -1;
}

static void read_line(Device *device, const char *word, const char *rest) {
    if (!strcmp(word, "name")) snprintf(device->name, sizeof device->name, "%s", rest);
    else if (!strcmp(word, "uuid")) snprintf(device->uuid, sizeof device->uuid, "%s", rest);
    else if (!strcmp(word, "memory"))
        sscanf(rest, "%lld %lld %lld", &device->total, &device->reserved, &device->used);
    else if (!strcmp(word, "capability")) sscanf(rest, "%d %d", &device->major, &device->minor);
    else if (!strcmp(word, "mig")) sscanf(rest, "%d %d", &device->mig, &device->slots);
    else if (!strcmp(word, "utilisation")) device->utilisation = atoll(rest);
    else if (!strcmp(word, "power")) device->power = atoll(rest);
    else if (!strcmp(word, "limit")) device->limit = atoll(rest);
    else if (!strcmp(word, "temperature")) device->temperature = atoll(rest);
    else if (!strcmp(word, "slowdown_at")) device->slowdown_at = atoll(rest);
    else if (!strcmp(word, "reasons")) device->reasons = atoll(rest);
    else if (!strcmp(word, "energy")) device->energy = atoll(rest);
    else if (!strcmp(word, "lost_after")) device->calls_left = atoi(rest);
    else if (!strcmp(word, "error")) {
        int place = device->error_count++;
        sscanf(rest, "%63s %d", device->errors[place].function, &device->errors[place].code);
    } else if (!strcmp(word, "compute") || !strcmp(word, "graphics")) {
        Process *process = &device->processes[device->process_count++];
        sscanf(rest, "%u %lld", &process->pid, &process->mib);
        process->graphics = word[0] == 'g';
    } else {
        fprintf(stderr, "the box's file has an unknown word: %s\n", word);
        abort();
    }
}

static void read_box(void) {
    const char *path = getenv("NVML_BOX");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[256];
    Device *device = &box;
    begin(&box);
    board_count = cuda = 0;
    if (!file) {
        fprintf(stderr, "NVML_BOX names no file\n");
        abort();
    }
    while (fgets(line, sizeof line, file)) {
        char *rest;
        line[strcspn(line, "\n")] = 0;
        if (!line[0]) continue;
        rest = strchr(line, ' ');
        if (rest) *rest++ = 0;
        else rest = line + strlen(line);
        if (!strcmp(line, "driver")) snprintf(driver, sizeof driver, "%s", rest);
        else if (!strcmp(line, "cuda")) cuda = atoi(rest);
        else if (!strcmp(line, "gpu")) begin(device = &boards[board_count++]);
        else if (!strcmp(line, "slice")) {
            Device *board = &boards[board_count - 1];
            device = calloc(1, sizeof *device);
            begin(device);
            device->slot = atoi(rest);
            board->slices[board->slice_count++] = device;
        } else read_line(device, line, rest);
    }
    fclose(file);
}

/* The error that a call must give, if any. */
static int trouble(Device *device, const char *function) {
    Device *asked[2] = {&box, device};
    for (int which = 0; which < 2; which++)
        for (int place = 0; asked[which] && place < asked[which]->error_count; place++)
            if (!strcmp(asked[which]->errors[place].function, function))
                return asked[which]->errors[place].code;
    if (device && device->calls_left == 0) return LOST;
    if (device && device->calls_left > 0) device->calls_left--;
    return OK;
}

#define CHECK(device)                                  \
    do {                                               \
        int code_ = trouble((device), __func__);       \
        if (code_) return code_;                       \
    } while (0)

static int number(long long value, unsigned *out) {
    if (value < 0) return NOT_SUPPORTED;
    *out = (unsigned)value;
    return OK;
}

EXPORT int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    read_box();
    CHECK(NULL);
    return OK;
}
EXPORT int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
EXPORT int nvmlShutdown(void) { return OK; }
EXPORT const char *nvmlErrorString(int code) {
    (void)code;
    return "an error of the stub";
}
EXPORT int nvmlSystemGetDriverVersion(char *text, unsigned size) {
    CHECK(NULL);
    snprintf(text, size, "%s", driver);
    return OK;
}
EXPORT int nvmlSystemGetCudaDriverVersion_v2(int *version) {
    CHECK(NULL);
    *version = cuda;
    return OK;
}
EXPORT int nvmlDeviceGetCount_v2(unsigned *count) {
    CHECK(NULL);
    *count = (unsigned)board_count;
    return OK;
}
EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **device) {
    if (index >= (unsigned)board_count) return BAD_ARGUMENT;
    CHECK(&boards[index]);
    *device = &boards[index];
    return OK;
}
EXPORT int nvmlDeviceGetName(Device *device, char *text, unsigned size) {
    CHECK(device);
    snprintf(text, size, "%s", device->name);
    return OK;
}
EXPORT int nvmlDeviceGetUUID(Device *device, char *text, unsigned size) {
    CHECK(device);
    snprintf(text, size, "%s", device->uuid);
    return OK;
}
EXPORT int nvmlDeviceGetMemoryInfo(Device *device, unsigned long long *memory) {
    CHECK(device);
    if (device->total < 0) return NOT_SUPPORTED;
    memory[0] = MIB * (unsigned long long)device->total;
    memory[1] = MIB * (unsigned long long)(device->total - device->reserved - device->used);
    memory[2] = memory[0] - memory[1];
    return OK;
}
EXPORT int nvmlDeviceGetCudaComputeCapability(Device *device, int *major, int *minor) {
    CHECK(device);
    if (device->major < 0) return NOT_SUPPORTED;
    *major = device->major;
    *minor = device->minor;
    return OK;
}
EXPORT int nvmlDeviceGetMigMode(Device *device, unsigned *now, unsigned *pending) {
    CHECK(device);
    *pending = device->mig > 0;
    return number(device->mig, now);
}
EXPORT int nvmlDeviceGetMaxMigDeviceCount(Device *device, unsigned *count) {
    CHECK(device);
    *count = (unsigned)device->slots;
    return OK;
}
EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, unsigned slot, Device **slice) {
    CHECK(device);
    for (int place = 0; place < device->slice_count; place++)
        if (device->slices[place]->slot == (int)slot) {
            *slice = device->slices[place];
            return OK;
        }
    return NOT_FOUND;
}
EXPORT int nvmlDeviceGetUtilizationRates(Device *device, unsigned *rates) {
    CHECK(device);
    rates[1] = 0;
    return number(device->utilisation, rates);
}
EXPORT int nvmlDeviceGetPowerUsage(Device *device, unsigned *milliwatts) {
    CHECK(device);
    return number(device->power, milliwatts);
}
EXPORT int nvmlDeviceGetEnforcedPowerLimit(Device *device, unsigned *milliwatts) {
    CHECK(device);
    return number(device->limit, milliwatts);
}
EXPORT int nvmlDeviceGetTemperature(Device *device, int sensor, unsigned *celsius) {
    CHECK(device);
    return sensor ? BAD_ARGUMENT : number(device->temperature, celsius);
}
EXPORT int nvmlDeviceGetTemperatureThreshold(Device *device, int which, unsigned *celsius) {
    CHECK(device);
    return which == 1 ? number(device->slowdown_at, celsius) : NOT_SUPPORTED;
}
EXPORT int nvmlDeviceGetTotalEnergyConsumption(Device *device, unsigned long long *millijoules) {
    CHECK(device);
    if (device->energy < 0) return NOT_SUPPORTED;
    *millijoules = (unsigned long long)device->energy;
    return OK;
}

static int reasons(Device *device, unsigned long long *bits) {
    if (device->reasons < 0) return NOT_SUPPORTED;
    *bits = (unsigned long long)device->reasons;
    return OK;
}
EXPORT int nvmlDeviceGetCurrentClocksThrottleReasons(Device *device, unsigned long long *bits) {
    CHECK(device);
    return reasons(device, bits);
}
#ifndef OLD_DRIVER
EXPORT int nvmlDeviceGetCurrentClocksEventReasons(Device *device, unsigned long long *bits) {
    CHECK(device);
    return reasons(device, bits);
}
#endif

typedef struct {
    unsigned pid;
    unsigned long long bytes;
    unsigned gpu_instance, compute_instance;
} Answer;

static int running(Device *device, unsigned *count, Answer *answers, int graphics) {
    unsigned found = 0;
    for (int place = 0; place < device->process_count; place++) {
        Process *process = &device->processes[place];
        if (process->graphics != graphics) continue;
        if (answers && found < *count) {
            answers[found].pid = process->pid;
            answers[found].bytes =
                process->mib < 0 ? ~0ULL : MIB * (unsigned long long)process->mib;
            answers[found].gpu_instance = answers[found].compute_instance = ~0U;
        }
        found++;
    }
    int code = found > (answers ? *count : 0) ? TOO_SMALL : OK;
    *count = found;
    return code;
}
#ifdef OLD_DRIVER
#define COMPUTE nvmlDeviceGetComputeRunningProcesses_v2
#define GRAPHICS nvmlDeviceGetGraphicsRunningProcesses_v2
#else
#define COMPUTE nvmlDeviceGetComputeRunningProcesses_v3
#define GRAPHICS nvmlDeviceGetGraphicsRunningProcesses_v3
#endif
EXPORT int COMPUTE(Device *device, unsigned *count, Answer *out) {
    CHECK(device);
    return running(device, count, out, 0);
}
EXPORT int GRAPHICS(Device *device, unsigned *count, Answer *out) {
    CHECK(device);
    return running(device, count, out, 1);
}
