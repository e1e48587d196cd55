/*
 * crr: connect, request, response. Measures new TCP connections: each sends one byte, gets one back and is closed by
 * RST (SO_LINGER 0), so that no TIME_WAIT piles up at either end.
 *
 *   crr server PORT
 *   crr client TARGET LOW-PORT HIGH-PORT FIRST-SOURCE SOURCES START CONNECTIONS THREADS
 *
 * The client takes its source addresses and ports in turn from number START on: the kernel's own search for a free port
 * depends on the target port and would be measured too. Prints one line of JSON: times in microseconds, cpu in total.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_THREADS = 16, MOST_FAILURES = 20, LOWEST_SOURCE_PORT = 2000, SOURCE_PORTS = 63000 };

static struct {
	in_addr_t target;
	unsigned low, high, first_source, sources, start, connections, threads;
	unsigned *nanoseconds; /* of each connection; 0: it failed */
} run;

static unsigned long long now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* The time that one connection took from SYN to answer, or 0. */
static unsigned connect_once(unsigned number, unsigned port)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	const struct timeval patience = { .tv_sec = 3 };
	struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET };
	char byte = 'x';
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (s < 0)
		die("socket");
	from.sin_addr.s_addr = htonl(run.first_source + number % run.sources);
	from.sin_port = htons(LOWEST_SOURCE_PORT + number / run.sources % SOURCE_PORTS);
	to.sin_addr.s_addr = run.target;
	to.sin_port = htons(port);
	setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (bind(s, (struct sockaddr *)&from, sizeof from) < 0)
		die("bind");
	unsigned long long begun = now(CLOCK_MONOTONIC);
	int answered = connect(s, (struct sockaddr *)&to, sizeof to) == 0 && send(s, &byte, 1, MSG_NOSIGNAL) == 1 &&
		       recv(s, &byte, 1, 0) == 1;
	unsigned took = now(CLOCK_MONOTONIC) - begun;
	close(s);
	return answered ? took : 0;
}

static void *client_thread(void *argument)
{
	unsigned thread = (unsigned long)argument, failures = 0, seed = run.start * 2654435761u + thread;

	for (unsigned i = thread; i < run.connections && failures < MOST_FAILURES; i += run.threads) {
		run.nanoseconds[i] = connect_once(run.start + i, run.low + rand_r(&seed) % (run.high - run.low + 1));
		failures += run.nanoseconds[i] == 0;
	}
	return NULL;
}

static int ascending(const void *a, const void *b)
{
	return (*(const unsigned *)a > *(const unsigned *)b) - (*(const unsigned *)a < *(const unsigned *)b);
}

static int client(char **argument)
{
	pthread_t threads[MOST_THREADS];
	run.target = inet_addr(argument[0]), run.low = atoi(argument[1]), run.high = atoi(argument[2]);
	run.first_source = ntohl(inet_addr(argument[3])), run.sources = atoi(argument[4]);
	run.start = strtoul(argument[5], NULL, 10), run.connections = atoi(argument[6]), run.threads = atoi(argument[7]);
	run.nanoseconds = calloc(run.connections, sizeof *run.nanoseconds);
	if (!run.nanoseconds || run.threads < 1 || run.threads > MOST_THREADS || run.high < run.low || !run.sources)
		return 2;

	unsigned long long begun = now(CLOCK_MONOTONIC);
	for (unsigned long i = 0; i < run.threads; i++)
		if (pthread_create(&threads[i], NULL, client_thread, (void *)i))
			die("pthread_create");
	for (unsigned i = 0; i < run.threads; i++)
		pthread_join(threads[i], NULL);
	double seconds = (now(CLOCK_MONOTONIC) - begun) / 1e9, cpu = now(CLOCK_PROCESS_CPUTIME_ID) / 1e3;

	qsort(run.nanoseconds, run.connections, sizeof *run.nanoseconds, ascending);
	unsigned failed = 0;
	while (failed < run.connections && run.nanoseconds[failed] == 0)
		failed++;
	unsigned answered = run.connections - failed, *good = run.nanoseconds + failed;
	printf("{\"rate\":%.1f,\"p50\":%.2f,\"p99\":%.2f,\"cpu\":%.1f,\"failed\":%u}\n", answered / seconds,
	       answered ? good[answered / 2] / 1e3 : 0, answered ? good[answered * 99ull / 100] / 1e3 : 0, cpu, failed);
	return 0;
}

static void serve(unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct epoll_event event = { .events = EPOLLIN }, ready[256];
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), epoll = epoll_create1(0), on = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 4096) < 0)
		die("listen");
	event.data.fd = listener;
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
	dprintf(1, "ready\n");
	for (;;) {
		for (int count = epoll_wait(epoll, ready, 256, -1), i = 0; i < count; i++) {
			int s = ready[i].data.fd;
			char byte;
			if (s != listener) {
				if (recv(s, &byte, 1, 0) != 1 || send(s, &byte, 1, MSG_NOSIGNAL) != 1)
					close(s);
				continue;
			}
			while ((s = event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
				epoll_ctl(epoll, EPOLL_CTL_ADD, s, &event);
		}
	}
}

int main(int count, char **argument)
{
	if (count == 3 && !strcmp(argument[1], "server"))
		serve(atoi(argument[2]));
	if (count == 10 && !strcmp(argument[1], "client"))
		return client(argument + 2);
	fputs("usage: crr server PORT | crr client TARGET LOW HIGH FIRST-SOURCE SOURCES START CONNECTIONS THREADS\n", stderr);
	return 2;
}
