// What one subscription has told, and what it has to tell next.
//
// To subscribe is to ask a question of the method table and to be told the answer again: of a
// method that `follow`s changes, whenever the answer is another one (what lies between two looks is
// not told); of one that follows items, each from the place on that the question names, once and in
// order. Nothing is queued for a slow reader: a subscription is a place in what is stored anyway.
// So it can be resumed, by naming the place `next` of the last event; and who falls more than
// kBehindMax items behind after having been up to date is told to.
//
// With `prove` in the question each event carries its proof, and comes as soon as there is one: a
// subscription to `block` with `prove` tells of each block when n - f validators have signed it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "node/rpc/json_rpc.h"

namespace node {

inline constexpr std::size_t kEventsAtOnce = 16;
inline constexpr std::uint64_t kBehindMax = 1000;

class Subscription {
 public:
  using Invoke = std::function<proto::Result<Json>(const std::string& method, const Json& params)>;

  // Asks once. What is not there yet is waited for; other errors are the subscription's.
  static proto::Result<Subscription> Make(const std::string& method, Json params,
                                          const Invoke& invoke);

  struct News {
    std::vector<Json> events;  // {method, answer}, with items also {next}.
    bool more = false;         // Ask again, without waiting for anything to happen.
    std::optional<proto::Error> end;
  };
  // All since the last call, up to kEventsAtOnce.
  News Next(const Invoke& invoke);

 private:
  Subscription(const MethodSpec& spec, Json params) : spec_(&spec), params_(std::move(params)) {}

  News Look(const Invoke& invoke);
  void LookForChange(const Invoke& invoke, News& news);
  void LookForItems(const Invoke& invoke, News& news);
  // The place of the newest item, where the method tells.
  std::optional<std::uint64_t> Newest(const Invoke& invoke) const;
  Json Event(Json answer) const;

  const MethodSpec* spec_;
  Json params_;
  std::optional<News> first_;          // What Make() found.
  std::optional<proto::Digest> told_;  // Of the last answer, where changes are followed.
  std::optional<std::uint64_t> next_;  // Place of the next item, where items are.
  bool is_live_ = false;               // It was up to date once.
};

}  // namespace node
