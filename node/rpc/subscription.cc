#include "node/rpc/subscription.h"

#include <utility>

#include "node/rpc/method_table.h"
#include "proto/crypto/hash.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

// Not there yet; it may come.
bool IsNotYet(const proto::Error& error) {
  return error.code == ErrorCode::kNotFound || error.code == ErrorCode::kUnavailable;
}

// Of an answer with its proof, the answer.
const Json& Plain(const Json& answer) {
  return answer.is_object() && answer.contains("proof") ? answer["answer"] : answer;
}

std::optional<std::uint64_t> PlaceIn(const Json& answer, const std::string& name) {
  const Json& plain = Plain(answer);
  if (!plain.is_object() || !plain.contains(name)) return std::nullopt;
  return plain[name].get<std::uint64_t>();
}

}  // namespace

Result<Subscription> Subscription::Make(const std::string& method, Json params,
                                        const Invoke& invoke) {
  const MethodSpec* spec = FindMethod(method);
  if (spec == nullptr || spec->follow == Follow::kNot) {
    return Fail(ErrorCode::kInvalidArgument,
                "There is nothing to follow in '" + method.substr(0, 64) +
                    "': rpc.discover tells which methods can be subscribed to.");
  }
  Subscription made(*spec, std::move(params));
  if (spec->follow == Follow::kItems && made.params_.contains(spec->place)) {
    const ParamSpec place{spec->place, ParamType::kNumber, "", false};
    const auto given = Params::From(Json{{spec->place, made.params_[spec->place]}}, {place});
    if (!given) return tl::unexpected(given.error());
    if (given->has(spec->place)) made.next_ = *given->Number(spec->place);
  }
  News first = made.Look(invoke);
  if (first.end && first.events.empty()) return tl::unexpected(*first.end);
  made.first_ = std::move(first);
  return made;
}

Subscription::News Subscription::Next(const Invoke& invoke) {
  if (!first_) return Look(invoke);
  News news = *std::exchange(first_, std::nullopt);
  news.more = true;
  return news;
}

Subscription::News Subscription::Look(const Invoke& invoke) {
  News news;
  if (spec_->follow == Follow::kChanges) {
    LookForChange(invoke, news);
  } else {
    LookForItems(invoke, news);
  }
  return news;
}

void Subscription::LookForChange(const Invoke& invoke, News& news) {
  auto answer = invoke(spec_->name, params_);
  if (!answer) {
    if (!IsNotYet(answer.error())) news.end = answer.error();
    return;
  }
  const proto::Digest digest = proto::Sha256(proto::AsBytes(FormatJson(Plain(*answer))));
  if (told_ == digest) return;
  told_ = digest;
  news.events.push_back(Event(*std::move(answer)));
}

void Subscription::LookForItems(const Invoke& invoke, News& news) {
  while (news.events.size() < kEventsAtOnce) {
    if (next_) params_[spec_->place] = *next_;
    auto answer = invoke(spec_->name, params_);
    if (!answer && !IsNotYet(answer.error())) {
      news.end = answer.error();
      return;
    }
    if (!answer) {
      if (is_live_ || !next_) return;
      // Is it still to come, or is it gone?
      const auto newest = Newest(invoke);
      if (newest && *newest > *next_ && answer.error().code == ErrorCode::kNotFound) {
        news.end = answer.error();
      }
      is_live_ = !newest || *newest < *next_;
      return;
    }
    if (!spec_->items.empty()) {
      const std::size_t count = (*answer)[spec_->items].size();
      if (count == 0) return;
      next_ = next_.value_or(0) + count;
    } else {
      const auto place = PlaceIn(*answer, spec_->place);
      if (!place) return;  // There is none yet.
      next_ = *place + 1;
    }
    news.events.push_back(Event(*std::move(answer)));
  }
  news.more = true;
  if (!is_live_) return;
  const auto newest = Newest(invoke);
  if (newest && *newest > *next_ && *newest - *next_ > kBehindMax) {
    news.end = proto::Error{ErrorCode::kExhausted,
                            "You read too slowly: more than " + std::to_string(kBehindMax) +
                                " events wait. Subscribe again from `next`."};
  }
}

std::optional<std::uint64_t> Subscription::Newest(const Invoke& invoke) const {
  if (!spec_->items.empty()) return std::nullopt;
  Json params = params_;
  params.erase(spec_->place);
  const auto answer = invoke(spec_->name, params);
  return answer ? PlaceIn(*answer, spec_->place) : std::nullopt;
}

Json Subscription::Event(Json answer) const {
  Json event = {{"method", spec_->name}, {"answer", std::move(answer)}};
  if (next_) event["next"] = *next_;
  return event;
}

}  // namespace node
