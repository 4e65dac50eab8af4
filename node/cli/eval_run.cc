#include "node/cli/eval_run.h"

#include <atomic>
#include <cstdio>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "mpc/model/unicode.h"
#include "node/cli/model_files.h"
#include "node/loop/files.h"
#include "proto/base/bytes.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t kAnswersBytesMax = std::size_t{1} << 30;
constexpr std::chrono::seconds kProgressEvery{10};
constexpr std::chrono::milliseconds kPause{500};

using Replies = std::map<std::size_t, Reply>;

json ToJson(std::size_t index, const Example& example, const Reply& reply) {
  return {{"index", index},
          {"text", mpc::ReplaceBadUtf8(example.text)},
          {"outputs", reply.outputs},
          {"seconds", reply.seconds},
          {"wait_seconds", reply.wait_seconds},
          {"in_range", reply.in_range}};
}

Result<Replies> ReadReplies(const std::string& file, const std::vector<Example>& examples) {
  Replies replies;
  if (file.empty() || !FileExists(file)) return replies;
  const auto bytes = ReadFile(file, kAnswersBytesMax);
  if (!bytes) return tl::unexpected(bytes.error());
  for (const std::string& line : Lines(*bytes)) {
    const json entry = json::parse(line, nullptr, false);
    if (!entry.is_object()) continue;  // Cut off when the process ended.
    const auto index = entry.value("index", examples.size());
    if (index >= examples.size()) continue;  // Beyond this run's limit.
    if (entry.value("text", "") != mpc::ReplaceBadUtf8(examples[index].text)) {
      return Fail(ErrorCode::kInvalidArgument,
                  file + " holds answers to other texts; give another --results");
    }
    Reply reply;
    reply.outputs = entry.value("outputs", std::vector<double>());
    reply.seconds = entry.value("seconds", 0.0);
    reply.wait_seconds = entry.value("wait_seconds", 0.0);
    reply.in_range = entry.value("in_range", true);
    if (!reply.outputs.empty()) replies.insert_or_assign(index, std::move(reply));
  }
  return replies;
}

class Runner {
 public:
  Runner(const std::vector<Example>& examples, const EvalRun& run, const Progress& progress,
         Replies replies)
      : examples_(examples), run_(run), progress_(progress), replies_(std::move(replies)) {
    if (!run.file.empty()) out_.open(run.file, std::ios::app);
  }

  Result<std::vector<Unanswered>> Run() {
    if (!run_.file.empty() && !out_) {
      return Fail(ErrorCode::kUnavailable, run_.file + ": cannot be written");
    }
    if (!replies_.empty()) progress_(std::to_string(replies_.size()) + " answers were there");
    Report();
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < run_.parallel; ++i) threads.emplace_back([this] { Work(); });
    for (std::thread& thread : threads) thread.join();
    return std::move(unanswered_);
  }

 private:
  void Work() {
    for (std::size_t index = next_++; index < examples_.size(); index = next_++) {
      {
        const std::lock_guard lock(mutex_);
        if (replies_.contains(index)) continue;
      }
      Result<Reply> reply = run_.ask(index, examples_[index]);
      for (int tries = 1; !reply && tries < EvalRun::kTriesMax &&
                          reply.error().code != ErrorCode::kInvalidArgument;
           ++tries) {
        std::this_thread::sleep_for(kPause);
        reply = run_.ask(index, examples_[index]);
      }
      const std::lock_guard lock(mutex_);
      if (reply) {
        if (out_) out_ << ToJson(index, examples_[index], *reply).dump() << std::endl;
        replies_.emplace(index, std::move(*reply));
      } else {
        progress_("text " + std::to_string(index) + ": " + reply.error().message);
        unanswered_.push_back({index, reply.error().message});
        failed_.insert(index);
      }
      Report();
    }
  }

  // Hands on what is complete up to here, in order.
  void Report() {
    while (reported_ < examples_.size()) {
      const auto found = replies_.find(reported_);
      if (found != replies_.end()) {
        run_.answered(reported_, found->second);
      } else if (!failed_.contains(reported_)) {
        break;
      }
      ++reported_;
    }
    const auto now = steady_clock::now();
    if (now - said_ < kProgressEvery) return;
    said_ = now;
    progress_(std::to_string(replies_.size()) + " of " + std::to_string(examples_.size()) +
              " texts answered, " + std::to_string(unanswered_.size()) + " not");
  }

  const std::vector<Example>& examples_;
  const EvalRun& run_;
  const Progress& progress_;
  std::atomic<std::size_t> next_ = 0;
  std::mutex mutex_;  // Guards all below.
  Replies replies_;
  std::set<std::size_t> failed_;
  std::vector<Unanswered> unanswered_;
  std::size_t reported_ = 0;
  steady_clock::time_point said_ = steady_clock::now();
  std::ofstream out_;
};

}  // namespace

Result<std::vector<Unanswered>> Run(const std::vector<Example>& examples, const EvalRun& run,
                                    const Progress& progress) {
  auto replies = ReadReplies(run.file, examples);
  if (!replies) return tl::unexpected(replies.error());
  return Runner(examples, run, progress, std::move(*replies)).Run();
}

}  // namespace node
