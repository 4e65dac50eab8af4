// What a member spent on an attempt or a request, for people and for the cost tables.
#pragma once

#include <cstdint>
#include <map>

#include "proto/base/bytes.h"

namespace node {

// Efforts remembered for the status.
inline constexpr std::size_t kEffortsMax = 1024;

// Times are the host's, in microseconds.
struct Effort {
  std::uint64_t started_us = 0;
  std::uint64_t finished_us = 0;  // 0 while it runs.
  std::uint64_t bytes_sent = 0;   // Encoded messages to other members.
  std::uint32_t rounds = 0;       // Online rounds, or fixed layers.
};

struct ServiceStatus {
  std::map<std::uint64_t, Effort> attempts;  // The newest kEffortsMax.
  std::map<std::uint64_t, Effort> requests;
  std::map<proto::Digest, bool> models;  // Whether the files are here.
};

}  // namespace node
