// The threads behind run_team: started when first needed, asleep when idle.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "float_mode.h"
#include "parallel.h"

namespace fastnet {

// The state that the members of a team share.
class TeamState {
  public:
    void reserve(int size) { waits_.reserve(static_cast<std::size_t>(size)); }
    int capacity() const { return static_cast<int>(waits_.capacity()); }
    // Called before the members start.
    void reset(int size, Clock::duration spin, Interruption* interruption);
    void barrier(int rank);
    bool agreed() const { return agreed_; }
    unsigned barriers() const { return phase_.load(std::memory_order_relaxed); }
    int size() const { return size_; }
    Interruption* interruption() const { return interruption_; }
    Clock::duration& waited(int rank) { return waits_[static_cast<std::size_t>(rank)].total; }
    // The leader waits until `word` is no longer `old`, and asks now and then whether the work is to continue. A thread
    // that changes the word calls wake_leader.
    void let_leader_wait(const std::atomic<unsigned>& word, unsigned old);
    void wake_leader();
    // Called in a forked child, which has no other members: from then on nobody waits for them.
    void desert() { deserted_.store(true, std::memory_order_relaxed); }
    bool deserted() const { return deserted_.load(std::memory_order_relaxed); }

  private:
    struct alignas(64) Wait {
        Clock::duration total;
    };
    int size_ = 1;
    Clock::duration spin_{};
    Interruption* interruption_ = nullptr;
    std::vector<Wait> waits_;  // one per member
    std::atomic<bool> deserted_{false};
    std::mutex sleep_;
    std::condition_variable woken_;
    alignas(64) std::atomic<unsigned> arrived_{0};
    alignas(64) std::atomic<unsigned> phase_{0};
    bool agreed_ = false;  // whether the work is broken off
    std::atomic<bool> leader_sleeps_{false};
};

// Watches whether teams pay off. Where another program keeps a processor busy, a member of a team gets half of it or
// less, and all others wait for that member. A team of two is then slower than one thread. Suppose the members have
// waited so long that one thread would have done the same work in about the same time. Then work runs alone for a
// while, and a team tries again after that. The pause doubles with every try that fails, so that tries cost a few
// percent at most. It halves with every one that succeeds: a single hiccup costs milliseconds.
class TeamWatch {
  public:
    bool rests(Clock::time_point now) const { return now < resume_; }
    // Records that a team of this size took `elapsed`, and its most idle member waited for the others for
    // `longest_wait`.
    void record(int size, Clock::time_point now, Clock::duration elapsed, Clock::duration longest_wait);

  private:
    Clock::time_point resume_{}, last_{};
    bool came_late_ = false;
    Clock::duration pause_{}, elapsed_{}, work_{};
};

class ThreadPool {
  public:
    // The pool of this process. It is never destroyed: at exit its threads end with the process, asleep or not, without
    // a destructor that would have to wait for them.
    static ThreadPool& instance();

    // The part of run_team for at least two threads.
    void run(int threads, detail::TeamFunction function, void* context, Interruption* interruption);
    void rest_teams(bool may_rest) { may_rest_.store(may_rest, std::memory_order_relaxed); }
    bool teams_may_rest() const { return may_rest_.load(std::memory_order_relaxed); }
    unsigned barriers() const { return state_.barriers(); }
    void desert() { state_.desert(); }

  private:
    struct alignas(64) Worker {
        std::atomic<unsigned> ticket{0};  // counts the teams that it joined
        Clock::time_point finished;
    };
    int grow(int size);
    void work(Worker& self, int rank);
    void lead(int size, Clock::time_point start, detail::TeamFunction function, void* context,
              Interruption* interruption);

    std::vector<std::unique_ptr<Worker>> workers_;
    std::atomic<int> callers_{0};
    std::atomic<bool> taken_{false};
    std::atomic<bool> may_rest_{true};
    TeamWatch watch_;

    // The work of the team, the same for all members.
    TeamState state_;
    detail::TeamFunction function_ = nullptr;
    void* context_ = nullptr;
    FloatMode float_mode_{};
    int leaders_processor_ = -1;  // processor that members leave to the leader; -1 if they need not leave any
    alignas(64) std::atomic<unsigned> running_{0};  // members that have not finished, besides the leader
};

}  // namespace fastnet
