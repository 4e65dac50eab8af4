#include "node/rpc/block_reader.h"

#include <algorithm>
#include <set>
#include <string>

#include "proto/wire/fields.h"

namespace node {

using proto::Bytes;
using proto::ByteSpan;
using proto::FieldReader;
using proto::FieldWriter;
using proto::Result;

namespace {

constexpr std::size_t kBlockItemsMax = std::size_t{1} << 20;
constexpr std::size_t kItemBytesMax = std::size_t{1} << 20;
constexpr std::size_t kSignaturesMax = 256;
constexpr std::size_t kReceiptBytesGuess = 96;

Bytes KeyOf(char prefix, std::uint64_t height) {
  Bytes key{static_cast<std::uint8_t>(prefix)};
  for (int shift = 56; shift >= 0; shift -= 8) {
    key.push_back(static_cast<std::uint8_t>(height >> shift));
  }
  return key;
}

Bytes KeyOf(const proto::Digest& id) {
  Bytes key{'t'};
  key.insert(key.end(), id.bytes.begin(), id.bytes.end());
  return key;
}

}  // namespace

Bytes EncodeSignatures(const BlockSignatures& signatures) {
  FieldWriter writer;
  writer.List(signatures, kSignaturesMax,
              [&](const auto& entry) { writer(entry.first, entry.second.bytes); });
  return writer.Take();
}

Result<BlockSignatures> DecodeSignatures(ByteSpan bytes) {
  FieldReader reader(bytes);
  BlockSignatures signatures;
  reader.List(signatures, kSignaturesMax,
              [&](auto& entry) { reader(entry.first, entry.second.bytes); });
  if (auto done = reader.Finish("list of signatures"); !done) return tl::unexpected(done.error());
  return signatures;
}

Result<std::vector<KeyWrite>> BlockWrites(const KeyValueStore& store, const StoredBlock& block) {
  const std::uint64_t height = block.header.height;
  std::vector<KeyWrite> writes;
  writes.push_back(HeaderWrite(block.header));
  FieldWriter transactions;
  std::size_t size = 4;
  for (const Bytes& bytes : block.transactions) size += 4 + bytes.size();
  transactions.Reserve(size);
  transactions.List(block.transactions, kBlockItemsMax,
                    [&](const Bytes& bytes) { transactions.Sized(bytes, kItemBytesMax); });
  writes.push_back({KeyOf('x', height), transactions.Take()});
  FieldWriter receipts;
  receipts.Reserve(4 + kReceiptBytesGuess * block.receipts.size());
  receipts.List(block.receipts, kBlockItemsMax, [&](const proto::Receipt& receipt) {
    receipts.Sized(proto::EncodeReceipt(receipt), kItemBytesMax);
    receipts.Sized(Bytes(receipt.message.begin(), receipt.message.end()), kItemBytesMax);
  });
  writes.push_back({KeyOf('r', height), receipts.Take()});
  const bool all_executed = std::ranges::all_of(
      block.receipts, [](const auto& receipt) { return proto::IsExecuted(receipt.code); });
  std::set<proto::Digest> placed;  // Only where it is asked.
  for (std::uint32_t index = 0; index < block.receipts.size(); ++index) {
    const proto::Receipt& receipt = block.receipts[index];
    if (!proto::IsExecuted(receipt.code)) {
      const auto known = FindTransaction(store, receipt.transaction);
      if (!known) return tl::unexpected(known.error());
      if (*known || placed.count(receipt.transaction)) continue;
    }
    if (!all_executed) placed.insert(receipt.transaction);
    FieldWriter place;
    place(height, index);
    writes.push_back({KeyOf(receipt.transaction), place.Take()});
  }
  return writes;
}

KeyWrite HeaderWrite(const proto::BlockHeader& header) {
  return {KeyOf('h', header.height), proto::EncodeBlockHeader(header)};
}

Result<std::optional<proto::BlockHeader>> ReadHeader(const KeyValueStore& store,
                                                     std::uint64_t height) {
  const auto bytes = store.Get(KeyOf('h', height));
  if (!bytes) return tl::unexpected(bytes.error());
  if (!*bytes) return std::nullopt;
  auto header = proto::DecodeBlockHeader(**bytes);
  if (!header) return tl::unexpected(header.error());
  return std::optional(*header);
}

Result<BlockSignatures> ReadSignatures(const KeyValueStore& store, std::uint64_t height) {
  const auto bytes = store.Get(KeyOf('f', height));
  if (!bytes) return tl::unexpected(bytes.error());
  return *bytes ? DecodeSignatures(**bytes) : BlockSignatures();
}

KeyWrite SignaturesWrite(std::uint64_t height, const BlockSignatures& signatures) {
  return {KeyOf('f', height), EncodeSignatures(signatures)};
}

Result<std::optional<BlockParts>> ReadBlockParts(const KeyValueStore& store, std::uint64_t height) {
  BlockParts parts;
  constexpr char kPrefixes[] = {'h', 'x', 'r', 'f'};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto part = store.Get(KeyOf(kPrefixes[i], height));
    if (!part) return tl::unexpected(part.error());
    if (*part) {
      parts[i] = std::move(**part);
    } else if (i < 3) {
      return std::nullopt;
    }
  }
  return parts;
}

Result<std::optional<StoredBlock>> ReadBlock(const KeyValueStore& store, std::uint64_t height) {
  const auto parts = ReadBlockParts(store, height);
  if (!parts) return tl::unexpected(parts.error());
  if (!*parts) return std::nullopt;
  auto block = DecodeBlockParts(**parts);
  if (!block) return tl::unexpected(block.error());
  return std::move(*block);
}

Result<StoredBlock> DecodeBlockParts(const BlockParts& parts) {
  StoredBlock block;
  auto header = proto::DecodeBlockHeader(parts[0]);
  if (!header) return tl::unexpected(header.error());
  block.header = *header;
  FieldReader transactions(parts[1]);
  transactions.List(block.transactions, kBlockItemsMax,
                    [&](Bytes& bytes) { transactions.Sized(bytes, kItemBytesMax); });
  if (auto done = transactions.Finish("block body"); !done) return tl::unexpected(done.error());
  FieldReader receipts(parts[2]);
  std::vector<std::pair<Bytes, Bytes>> encoded;  // Receipt and message.
  receipts.List(encoded, kBlockItemsMax, [&](auto& entry) {
    receipts.Sized(entry.first, kItemBytesMax);
    receipts.Sized(entry.second, kItemBytesMax);
  });
  if (auto done = receipts.Finish("list of receipts"); !done) return tl::unexpected(done.error());
  for (const auto& [bytes, message] : encoded) {
    auto receipt = proto::DecodeReceipt(bytes);
    if (!receipt) return tl::unexpected(receipt.error());
    receipt->message = proto::AsText(message);
    block.receipts.push_back(std::move(*receipt));
  }
  if (!parts[3].empty()) {
    auto signatures = DecodeSignatures(parts[3]);
    if (!signatures) return tl::unexpected(signatures.error());
    block.signatures = std::move(*signatures);
  }
  return block;
}

KeyWrite LinkWrite(const proto::EpochLink& link) {
  return {KeyOf('e', link.next.number), proto::EncodeLink(link)};
}

Result<std::optional<Bytes>> ReadLink(const KeyValueStore& store, std::uint64_t epoch) {
  return store.Get(KeyOf('e', epoch));
}

Result<BlockRun> ReadPage(const KeyValueStore& store, std::uint64_t height, std::uint64_t epoch) {
  BlockRun page;
  auto link = ReadLink(store, epoch + 1);
  if (!link) return tl::unexpected(link.error());
  if (*link) page.link = std::move(**link);
  std::size_t bytes = 0;
  std::size_t proved = 0;
  while (page.blocks.size() < kPageBlocksMax && bytes < kPageBytesMax) {
    auto block = ReadBlock(store, height + page.blocks.size());
    if (!block) return tl::unexpected(block.error());
    if (!*block) break;
    for (const Bytes& transaction : (*block)->transactions) bytes += transaction.size();
    page.blocks.push_back(
        {(*block)->header, std::move((*block)->transactions), std::move((*block)->signatures)});
    if (!page.blocks.back().signatures.empty()) proved = page.blocks.size();
    if (page.blocks.back().header.next_committee_hash != proto::Digest{}) break;
  }
  page.blocks.resize(proved);
  return page;
}

namespace {

struct PageFields {
  struct Entry {
    Bytes header;
    std::vector<Bytes> transactions;
    BlockSignatures signatures;
  };
  std::vector<Entry> blocks;
  Bytes link;
};

void Fields(auto& io, proto::Of<PageFields> auto& page) {
  io.List(page.blocks, kPageBlocksMax, [&](auto& block) {
    io.Sized(block.header, 1024);
    io.List(block.transactions, kBlockItemsMax,
            [&](auto& bytes) { io.Sized(bytes, kItemBytesMax); });
    io.List(block.signatures, kSignaturesMax,
            [&](auto& entry) { io(entry.first, entry.second.bytes); });
  });
  io.Sized(page.link, proto::kLinkBytesMax);
}

}  // namespace

Bytes EncodePage(const BlockRun& page) {
  PageFields fields;
  for (const auto& block : page.blocks) {
    fields.blocks.push_back(
        {proto::EncodeBlockHeader(block.header), block.transactions, block.signatures});
  }
  fields.link = page.link;
  return proto::EncodeFields(fields);
}

Result<BlockRun> DecodePage(ByteSpan bytes) {
  auto fields = proto::DecodeFields<PageFields>(bytes, "page of blocks");
  if (!fields) return tl::unexpected(fields.error());
  BlockRun page;
  for (auto& block : fields->blocks) {
    const auto header = proto::DecodeBlockHeader(block.header);
    if (!header) return tl::unexpected(header.error());
    page.blocks.push_back({*header, std::move(block.transactions), std::move(block.signatures)});
  }
  page.link = std::move(fields->link);
  return page;
}

Result<std::optional<TransactionPlace>> FindTransaction(const KeyValueStore& store,
                                                        const proto::Digest& id) {
  auto bytes = store.Get(KeyOf(id));
  if (!bytes) return tl::unexpected(bytes.error());
  if (!*bytes) return std::nullopt;
  FieldReader reader(**bytes);
  TransactionPlace place;
  reader(place.height, place.index);
  if (auto done = reader.Finish("place of a transaction"); !done) {
    return tl::unexpected(done.error());
  }
  return place;
}

}  // namespace node
