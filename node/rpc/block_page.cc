#include "node/rpc/block_page.h"

#include <charconv>

#include "node/rpc/block_reader.h"
#include "node/rpc/json.h"
#include "node/rpc/json_rpc.h"

namespace node {

using proto::Bytes;

// "": the newest heights; a number: header, body, receipts and signatures of that block as the
// store holds them, each after its length (u64, little-endian; 0 signatures: not yet signed by n -
// f).
HttpPage BlockPage(Backend& backend, std::string_view path) {
  if (path.empty()) {
    const auto proven = backend.proven();
    return {200, FormatJson({{"height", backend.latest().header().height},
                             {"proven_height", proven ? proven->header.height : 0}})};
  }
  std::uint64_t height = 0;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), height);
  if (error != std::errc() || end != path.data() + path.size()) {
    return {400, FormatJson({{"error", "a block is read at /blocks/ and its height"}})};
  }
  const auto parts = ReadBlockParts(backend.store(), height);
  if (!parts) return {500, FormatJson({{"error", parts.error().message}})};
  if (!*parts) return {404, FormatJson({{"error", "there is no such block yet"}})};
  HttpPage page{200, {}, "application/octet-stream"};
  std::size_t bytes = 0;
  for (const Bytes& part : **parts) bytes += 8 + part.size();
  page.body.reserve(bytes);
  for (const Bytes& part : **parts) {
    Bytes size;
    proto::PutU64(size, part.size());
    page.body += proto::AsText(size);
    page.body += proto::AsText(part);
  }
  return page;
}

}  // namespace node
