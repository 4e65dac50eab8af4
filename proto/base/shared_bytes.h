// Bytes that stay where they are for as long as somebody reads them: a vector's, a mapped file's.
#pragma once

#include <memory>
#include <utility>

#include "proto/base/bytes.h"

namespace proto {

class SharedBytes {
 public:
  SharedBytes() = default;
  explicit SharedBytes(Bytes bytes) {
    const auto kept = std::make_shared<const Bytes>(std::move(bytes));
    span_ = *kept;
    owner_ = kept;
  }
  // `bytes` live as long as `owner`.
  SharedBytes(ByteSpan bytes, std::shared_ptr<const void> owner)
      : span_(bytes), owner_(std::move(owner)) {}

  ByteSpan span() const { return span_; }
  std::size_t size() const { return span_.size(); }
  SharedBytes Part(std::size_t offset, std::size_t size) const {
    return {span_.subspan(offset, size), owner_};
  }

 private:
  ByteSpan span_;
  std::shared_ptr<const void> owner_;
};

}  // namespace proto
