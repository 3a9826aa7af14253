#include "thread_pool.h"

#include <algorithm>
#include <stdexcept>
#include <system_error>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace fastnet {
namespace {

using namespace std::chrono_literals;

// The time that an idle thread spins before it sleeps. Waking a sleeper costs 5 to 50 us, so members of consecutive
// teams should meet within this time. It is short compared with a time slice of the scheduler (milliseconds).
constexpr Clock::duration spin_time = 50us;
// The time that a member waits for the others of its team without sleeping. One that sleeps is woken on the processor
// of the thread that wakes it, and from then on they share it.
constexpr Clock::duration spin_in_team = 1ms;
// With more members than processors, spinning takes the processor from the very member that is waited for.
constexpr Clock::duration no_spin = 0us;

void pause_briefly() {
#if defined(__x86_64__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Waits until `word` is no longer `old`: spins for a bounded time, then sleeps. Returns how long it took.
template <class Sleep>
Clock::duration wait_while(const std::atomic<unsigned>& word, unsigned old, Clock::duration spin, Sleep sleep) {
    constexpr int spins = 32;  // about 1 us
    const auto changed = [&] {
        for (int i = 0; i < spins; ++i) {
            if (word.load(std::memory_order_acquire) != old)
                return true;
            pause_briefly();
        }
        return false;
    };
    if (changed())
        return {};  // most waits end here, too short to be worth reading the clock
    const auto start = Clock::now();
    while (Clock::now() - start < spin)
        if (changed())
            return Clock::now() - start;
    sleep();
    return Clock::now() - start;
}

// Words are changed in sequentially consistent order. A thread that changes one either sees that another sleeps on it
// and wakes it, or the sleeper sees the new value before it sleeps.
Clock::duration wait_while(const std::atomic<unsigned>& word, unsigned old, Clock::duration spin) {
    return wait_while(word, old, spin, [&] {
        while (word.load(std::memory_order_seq_cst) == old)
            word.wait(old, std::memory_order_seq_cst);
    });
}

// The processor that this thread runs on; -1 where it is unknown.
int processor() {
#if defined(__linux__)
    return sched_getcpu();
#else
    return -1;
#endif
}

// Moves this thread to another processor, if it may run on one, and does not pin it there.
void leave([[maybe_unused]] int processor) {
#if defined(__linux__)
    cpu_set_t all;
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    cpu_set_t others = all;
    CPU_CLR(static_cast<std::size_t>(processor), &others);
    if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
        sched_setaffinity(0, sizeof all, &all);
#endif
}

std::atomic<ThreadPool*> current_pool{nullptr};

// A forked child has none of its parent's threads, and the parent may have been in the middle of anything. The child
// does not touch the parent's pool and starts its own when it needs one.
[[maybe_unused]] const bool fork_handler_installed = [] {
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, [] {
        if (ThreadPool* const parents = current_pool.exchange(nullptr))
            parents->desert();
    });
#endif
    return true;
}();

}  // namespace

// ---- Team -----------------------------------------------------------------------------------------------------------

void Team::meet() { state_->barrier(rank_); }

bool Team::agreed() const { return state_->agreed(); }

void TeamState::reset(int size, Clock::duration spin, Interruption* interruption) {
    size_ = size, spin_ = spin;
    interruption_ = interruption, agreed_ = false;
    waits_.assign(static_cast<std::size_t>(size), Wait{});
}

void TeamState::barrier(int rank) {
    const unsigned phase = phase_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < static_cast<unsigned>(size_)) {
        if (rank == 0)
            let_leader_wait(phase_, phase);
        else
            waited(rank) += wait_while(phase_, phase, spin_);
        return;
    }
    agreed_ = interruption_ && interruption_->broken_off();  // while all members are here
    arrived_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_seq_cst);
    phase_.notify_all();
    wake_leader();
}

void TeamState::let_leader_wait(const std::atomic<unsigned>& word, unsigned old) {
    const auto changed = [&] { return word.load(std::memory_order_seq_cst) != old || deserted(); };
    if (deserted())
        return;
    if (!interruption_) {
        waited(0) += wait_while(word, old, spin_);
        return;
    }
    waited(0) += wait_while(word, old, spin_, [&] {
        while (!changed()) {
            std::unique_lock lock(sleep_);
            leader_sleeps_.store(true, std::memory_order_seq_cst);
            woken_.wait_for(lock, Interruption::nap, changed);
            leader_sleeps_.store(false, std::memory_order_relaxed);
            lock.unlock();
            interruption_->look();
        }
    });
}

void TeamState::wake_leader() {
    if (!leader_sleeps_.load(std::memory_order_seq_cst))
        return;
    const std::lock_guard lock(sleep_);
    woken_.notify_one();
}

void TeamWatch::record(int size, Clock::time_point now, Clock::duration elapsed, Clock::duration longest_wait) {
    constexpr Clock::duration window = 1ms, shortest_pause = 5ms, longest_pause = 640ms;
    constexpr double worthwhile = 1.1;
    // The first team after a pause waits for members to wake up. This takes up to milliseconds in a virtual machine and
    // says nothing about later teams. It counts only where no others follow.
    constexpr Clock::duration asleep = 2ms;
    const bool late = now - elapsed - last_ > asleep, counts = !late || came_late_;
    last_ = now, came_late_ = late;
    if (!counts)
        return;
    elapsed_ += elapsed;
    // Members have equal shares, and the one that waited longest was never delayed.
    work_ += size * (elapsed - longest_wait);
    if (elapsed_ < window)
        return;
    const bool pays = work_ > elapsed_ * worthwhile;
    pause_ = std::clamp(pays ? pause_ / 2 : pause_ * 2, shortest_pause, longest_pause);
    if (!pays)
        resume_ = now + pause_;
    elapsed_ = work_ = {};
}

// ---- Pool -----------------------------------------------------------------------------------------------------------

ThreadPool& ThreadPool::instance() {
    ThreadPool* pool = current_pool.load(std::memory_order_acquire);
    if (!pool) {
        auto made = std::make_unique<ThreadPool>();
        if (current_pool.compare_exchange_strong(pool, made.get(), std::memory_order_acq_rel))
            pool = made.release();
    }
    return *pool;
}

// Starts threads until there are enough for a team of this size. Returns the size that is possible.
int ThreadPool::grow(int size) {
    try {
        state_.reserve(size);
        while (workers_.size() + 1 < static_cast<std::size_t>(size)) {
            auto worker = std::make_unique<Worker>();
            workers_.reserve(workers_.size() + 1);  // nothing may fail once the thread runs
            std::thread([this, self = worker.get(), rank = static_cast<int>(workers_.size()) + 1] {
                work(*self, rank);
            }).detach();
            workers_.push_back(std::move(worker));
        }
    } catch (const std::bad_alloc&) {     // out of memory,
    } catch (const std::system_error&) {  // or of threads: use those that exist
    }
    return std::min({size, static_cast<int>(workers_.size()) + 1, state_.capacity()});
}

void ThreadPool::work(Worker& self, int rank) {
    // The scheduler tends to wake a thread on the processor of the one that wakes it. There the two take turns for tens
    // of milliseconds while another processor is idle. Moves are rare, as the other processors may be busy.
    constexpr Clock::duration between_moves = 2ms;
    Clock::time_point moved{};
    for (unsigned ticket = 0;; ++ticket) {
        wait_while(self.ticket, ticket, spin_time);
        if (leaders_processor_ >= 0 && processor() == leaders_processor_ && Clock::now() - moved > between_moves) {
            leave(leaders_processor_);
            moved = Clock::now();
        }
        set_float_mode(float_mode_);
        Team team(rank, state_.size(), &state_, state_.interruption());
        function_(context_, team);
        self.finished = Clock::now();
        if (running_.fetch_sub(1, std::memory_order_seq_cst) == 1) {
            running_.notify_one();
            state_.wake_leader();
        }
    }
}

void ThreadPool::lead(int size, Clock::time_point start, detail::TeamFunction function, void* context,
                      Interruption* interruption) {
    state_.reset(size, size > available_processors() ? no_spin : spin_in_team, interruption);
    function_ = function, context_ = context;
    float_mode_ = float_mode();
    leaders_processor_ = size <= available_processors() ? processor() : -1;
    const unsigned members = static_cast<unsigned>(size) - 1;
    running_.store(members, std::memory_order_relaxed);
    for (unsigned i = 0; i < members; ++i) {
        workers_[i]->ticket.fetch_add(1, std::memory_order_seq_cst);
        workers_[i]->ticket.notify_one();
    }
    Team team(0, size, &state_, interruption);
    function(context, team);
    for (unsigned left; (left = running_.load(std::memory_order_acquire)) > 0 && !state_.deserted();)
        state_.let_leader_wait(running_, left);
    if (state_.deserted())
        throw std::runtime_error("a process that was forked in the middle of work on several threads cannot go on "
                                 "with it: it has none of the other threads");

    const auto end = Clock::now();
    auto longest_wait = state_.waited(0);
    for (unsigned i = 0; i < members; ++i)
        longest_wait = std::max(longest_wait, state_.waited(static_cast<int>(i) + 1) + (end - workers_[i]->finished));
    watch_.record(size, end, end - start, longest_wait);
}

void ThreadPool::run(int threads, detail::TeamFunction function, void* context, Interruption* interruption) {
    // Callers at the same time share the processors: one leads a team, the others work alone.
    const int callers = callers_.fetch_add(1, std::memory_order_relaxed) + 1;
    const auto start = Clock::now();
    bool led = false;
    if (threads / callers > 1 && !taken_.exchange(true, std::memory_order_acquire)) {
        const bool rests = may_rest_.load(std::memory_order_relaxed) && watch_.rests(start);
        const int size = rests ? 1 : grow(threads / callers);
        if (size > 1) {
            lead(size, start, function, context, interruption);
            led = true;
        }
        taken_.store(false, std::memory_order_release);
    }
    if (!led) {
        Team team(0, 1, nullptr, interruption);
        function(context, team);
    }
    callers_.fetch_sub(1, std::memory_order_relaxed);
}

void rest_teams(bool may_rest) { ThreadPool::instance().rest_teams(may_rest); }

bool teams_may_rest() { return ThreadPool::instance().teams_may_rest(); }

unsigned team_barriers() { return ThreadPool::instance().barriers(); }

void detail::run_team(int threads, TeamFunction function, void* context, Interruption* interruption) {
    if (threads > 1)
        return ThreadPool::instance().run(threads, function, context, interruption);
    Team team(0, 1, nullptr, interruption);
    function(context, team);
}

}  // namespace fastnet
