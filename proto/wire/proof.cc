#include "proto/wire/proof.h"

#include <algorithm>
#include <functional>
#include <string>

#include "proto/wire/fields.h"

namespace proto {
namespace {

constexpr std::size_t kHeaderBytesMax = 1024;
constexpr std::size_t kReceiptBytesMax = 256;
constexpr std::size_t kStateProofBytesMax = std::size_t{1} << 14;

// Strictly ascending by what `of` gives.
template <class List, class Of>
bool Ascends(const List& list, Of of) {
  return std::ranges::adjacent_find(list, std::ranges::greater_equal{}, of) == list.end();
}

Result<> Check(const Proof& proof) {
  const auto refuse = [](ErrorCode code, const char* what) {
    return Fail(code, std::string("this is no proof: ") + what);
  };
  if (proof.headers.empty()) return refuse(ErrorCode::kCorrupt, "it has no header");
  if (!Ascends(proof.signatures, [](const auto& entry) { return Index(entry.first); })) {
    return refuse(ErrorCode::kCorrupt, "its signatures are not ascending by party");
  }
  if (!Ascends(proof.links, [](const auto& link) { return link.next.number; })) {
    return refuse(ErrorCode::kCorrupt, "its links are not ascending by epoch");
  }
  if (!Ascends(proof.records, &Proof::Record::key)) {
    return refuse(ErrorCode::kCorrupt, "its records are not ascending by key");
  }
  return {};
}

}  // namespace

void Fields(auto& io, Of<Proof> auto& proof) {
  const auto receipt = [&](auto& value) {
    io.Part(value, kReceiptBytesMax, EncodeReceipt, DecodeReceipt);
  };
  io.List(proof.links, kProofLinksMax,
          [&](auto& link) { io.Part(link, kLinkBytesMax, EncodeLink, DecodeLink); });
  io.List(proof.headers, kProofHeadersMax, [&](auto& header) {
    io.Part(header, kHeaderBytesMax, EncodeBlockHeader, DecodeBlockHeader);
  });
  io.List(proof.signatures, kProofSignaturesMax,
          [&](auto& entry) { io(entry.first, entry.second.bytes); });
  io.List(proof.records, kProofRecordsMax, [&](auto& record) {
    io.Sized(record.key, kProofKeyBytesMax);
    io.Optional(record.value, [&](auto& value) { io.Sized(value, kProofBytesMax); });
    io.Part(record.path, kStateProofBytesMax, EncodeStateProof, DecodeStateProof);
  });
  io.Optional(proof.transaction, [&](auto& transaction) {
    io.Sized(transaction.bytes, kProofBytesMax);
    receipt(transaction.receipt);
    io(transaction.index, transaction.count);
    io.List(transaction.path, kProofMerkleMax);
    io.List(transaction.receipt_path, kProofMerkleMax);
  });
  io.Optional(proof.receipts,
              [&](auto& receipts) { io.List(receipts, kProofReceiptsMax, receipt); });
}

bool IsProof(ByteSpan bytes) {
  return bytes.size() >= kProofMark.size() &&
         std::ranges::equal(bytes.first(kProofMark.size()), kProofMark);
}

Result<Bytes> EncodeProof(const Proof& proof) {
  const auto too_large = [](const char* what) {
    return Fail(ErrorCode::kExhausted, std::string("the proof would have too many ") + what);
  };
  if (proof.links.size() > kProofLinksMax) return too_large("links");
  if (proof.headers.size() > kProofHeadersMax) return too_large("headers");
  if (proof.records.size() > kProofRecordsMax) return too_large("records");
  if (proof.receipts && proof.receipts->size() > kProofReceiptsMax) return too_large("receipts");
  if (auto sound = Check(proof); !sound) return tl::unexpected(sound.error());
  FieldWriter writer;
  writer(kProofMark);
  Fields(writer, proof);
  Bytes bytes = writer.Take();
  if (bytes.size() > kProofBytesMax) return too_large("bytes");
  return bytes;
}

Result<Proof> DecodeProof(ByteSpan bytes) {
  if (bytes.size() > kProofBytesMax) {
    return Fail(ErrorCode::kExhausted, "this is no proof: it is too long");
  }
  if (!IsProof(bytes)) {
    return Fail(ErrorCode::kCorrupt, "this is no proof: it does not begin as one");
  }
  auto proof = DecodeFields<Proof>(bytes.subspan(kProofMark.size()), "proof");
  if (!proof) return proof;
  if (auto sound = Check(*proof); !sound) return tl::unexpected(sound.error());
  return proof;
}

}  // namespace proto
