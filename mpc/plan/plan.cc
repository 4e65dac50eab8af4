// The plan's canonical bytes, and what it leaks.
//
// Little-endian; strings and lists are preceded by a u32 count. Header "WXPLAN" 0 5, then the
// fields in the order of the structs. Integers of wide constants take 8 bytes, those of the others
// 1, 2 or 4, as few as hold all of a constant's; their number stands before them. Those of
// constants of kPlanPage bytes and more are not there but behind all fields, in order, each after
// as many zeros as bring it to a multiple of kPlanPage.
#include "mpc/plan/plan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "proto/crypto/hash.h"

namespace mpc {

namespace {

using proto::Bytes;
using proto::ByteSpan;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

constexpr std::uint8_t kMagic[8] = {'W', 'X', 'P', 'L', 'A', 'N', 0, 5};

class Writer {
 public:
  Bytes Take() { return std::move(out_); }

  void Raw(ByteSpan bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void U8(std::uint8_t value) { out_.push_back(value); }
  void U32(std::uint32_t value) { proto::PutU32(out_, value); }
  void I64(std::int64_t value) { proto::PutU64(out_, static_cast<std::uint64_t>(value)); }
  void Count(std::size_t count) { U32(static_cast<std::uint32_t>(count)); }
  void Text(const std::string& text) {
    Count(text.size());
    Raw(proto::AsBytes(text));
  }
  void Wide(const std::vector<std::int64_t>& values) {
    Count(values.size());
    for (const std::int64_t value : values) I64(value);
  }

 private:
  Bytes out_;
};

// Reads past the end give zeros and leave ok() false; counts are bounded by the bytes that remain.
class Reader {
 public:
  explicit Reader(const proto::SharedBytes& bytes) : all_(bytes), rest_(bytes.span()) {}

  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && rest_.empty(); }

  ByteSpan Raw(std::size_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const ByteSpan taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  std::uint8_t U8() {
    const ByteSpan raw = Raw(1);
    return raw.empty() ? std::uint8_t{0} : raw[0];
  }
  std::uint32_t U32() {
    const ByteSpan raw = Raw(4);
    return raw.empty() ? 0 : proto::GetU32(raw);
  }
  std::int64_t I64() {
    const ByteSpan raw = Raw(8);
    return raw.empty() ? 0 : static_cast<std::int64_t>(proto::GetU64(raw));
  }
  // A count of items that take at least `item_bytes` each.
  std::size_t Count(std::size_t item_bytes) {
    const std::size_t count = U32();
    if (count > rest_.size() / item_bytes) ok_ = false;
    return ok_ ? count : 0;
  }
  std::string Text() { return std::string(proto::AsText(Raw(Count(1)))); }
  std::vector<std::int64_t> Wide() {
    std::vector<std::int64_t> values(Count(8));
    for (std::int64_t& value : values) value = I64();
    return values;
  }
  // Left where they are.
  PackedIntegers Values(unsigned width, std::size_t size) {
    const std::size_t offset = all_.size() - rest_.size();
    if (Raw(size).size() != size) return {};
    return {width, all_.Part(offset, size)};
  }
  void Align() {
    const std::size_t offset = all_.size() - rest_.size();
    const ByteSpan zeros = Raw((kPlanPage - offset % kPlanPage) % kPlanPage);
    ok_ = ok_ && std::ranges::all_of(zeros, [](std::uint8_t byte) { return byte == 0; });
  }

 private:
  proto::SharedBytes all_;
  ByteSpan rest_;
  bool ok_ = true;
};

constexpr std::size_t kConstantBytesMin = 14;

// Whether a constant's integers stand behind everything else, on pages of their own.
bool IsLarge(std::uint64_t bytes) {
  return bytes >= kPlanPage;
}
bool IsLarge(const Constant& constant) {
  return IsLarge(constant.values.bytes().size());
}

void PutConstant(Writer& out, const Constant& constant) {
  out.U32(constant.rows);
  out.U32(constant.cols);
  out.U8(constant.frac);
  out.U8(static_cast<std::uint8_t>(constant.values.width()));
  out.Count(constant.values.size());
  if (!IsLarge(constant)) out.Raw(constant.values.bytes());
}

// What PutConstant wrote.
struct StoredConstant {
  Constant constant;
  unsigned width = 1;
  std::size_t bytes = 0;
};

StoredConstant GetConstant(Reader& in, bool& canonical) {
  StoredConstant stored;
  stored.constant.rows = in.U32();
  stored.constant.cols = in.U32();
  stored.constant.frac = in.U8();
  stored.width = in.U8();
  if (stored.width != 1 && stored.width != 2 && stored.width != 4) {
    canonical = false;
    return stored;
  }
  stored.bytes = in.Count(stored.width) * stored.width;
  if (!IsLarge(stored.bytes)) stored.constant.values = in.Values(stored.width, stored.bytes);
  return stored;
}

void PutSeries(Writer& out, const Series& series) {
  out.I64(series.period);
  out.U8(series.phase_bits);
  out.U8(series.out_frac);
  out.Wide(series.poly);
  out.Wide(series.cosine);
  out.Wide(series.sine);
}

Series GetSeries(Reader& in) {
  Series series;
  series.period = in.I64();
  series.phase_bits = in.U8();
  series.out_frac = in.U8();
  series.poly = in.Wide();
  series.cosine = in.Wide();
  series.sine = in.Wide();
  return series;
}

void PutOp(Writer& out, const Op& op) {
  out.U8(static_cast<std::uint8_t>(op.kind));
  out.Count(op.inputs.size());
  for (const TensorId input : op.inputs) out.U32(input);
  out.U32(op.rows);
  out.U32(op.cols);
  out.U8(op.wire ? 1 : 0);
  out.U8(op.frac);
  out.U8(op.bits);
  out.U8(op.drop);
  out.U32(op.heads);
  out.U32(op.token);
  out.U32(op.begin);
  out.U8(op.digits);
  out.U8(op.digit_bits);
  out.U32(op.weight);
  out.U32(op.bias);
  out.Wide(op.scale);
  out.I64(op.shift);
  PutSeries(out, op.series);
  out.Text(op.name);
}

constexpr std::size_t kOpBytesMin = 77;  // An operation with nothing in its lists.

Op GetOp(Reader& in, bool& canonical) {
  Op op;
  op.kind = static_cast<OpKind>(in.U8());  // Validate refuses unknown ones.
  op.inputs.resize(in.Count(4));
  for (TensorId& input : op.inputs) input = in.U32();
  op.rows = in.U32();
  op.cols = in.U32();
  const std::uint8_t wire = in.U8();
  canonical = canonical && wire <= 1;
  op.wire = wire == 1;
  op.frac = in.U8();
  op.bits = in.U8();
  op.drop = in.U8();
  op.heads = in.U32();
  op.token = in.U32();
  op.begin = in.U32();
  op.digits = in.U8();
  op.digit_bits = in.U8();
  op.weight = in.U32();
  op.bias = in.U32();
  op.scale = in.Wide();
  op.shift = in.I64();
  op.series = GetSeries(in);
  op.name = in.Text();
  return op;
}

}  // namespace

double LeakageBits(const Plan& plan, unsigned mask_bits) {
  double distance = 0;
  for (const Op& op : plan.ops) {
    if (!Opens(op.kind)) continue;
    const Op& in = plan.ops[op.inputs[0]];
    const unsigned bits = op.kind == OpKind::kOpen ? in.bits + 1u : op.masked_bits();
    distance += static_cast<double>(in.size()) *
                std::ldexp(1.0, static_cast<int>(bits) - static_cast<int>(mask_bits));
  }
  return distance > 0 ? -std::log2(distance) : std::numeric_limits<double>::infinity();
}

Bytes EncodePlan(const Plan& plan) {
  Bytes bytes;
  EncodePlan(plan, [&](ByteSpan piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
  return bytes;
}

void EncodePlan(const Plan& plan, const std::function<void(ByteSpan)>& write) {
  Writer out;
  out.Raw(kMagic);
  out.Text(plan.architecture);
  out.U32(plan.tokens);
  out.U32(plan.vocabulary);
  out.U32(plan.digit_bits_high);
  out.U32(plan.digit_bits_low);
  out.Count(plan.ops.size());
  for (const Op& op : plan.ops) PutOp(out, op);
  out.Count(plan.constants.size());
  for (const Constant& constant : plan.constants) PutConstant(out, constant);
  out.Count(plan.wide_constants.size());
  for (const WideConstant& constant : plan.wide_constants) {
    out.U8(constant.frac);
    out.Wide(constant.values);
  }
  out.Count(plan.labels.size());
  for (const std::string& label : plan.labels) out.Text(label);
  out.U32(plan.steps);
  out.U32(plan.flags);
  out.Count(plan.ends.size());
  for (const TensorId end : plan.ends) out.U32(end);
  const Bytes fields = out.Take();
  write(fields);
  std::size_t written = fields.size();
  for (const Constant& constant : plan.constants) {
    if (!IsLarge(constant)) continue;
    const Bytes zeros((kPlanPage - written % kPlanPage) % kPlanPage);
    write(zeros);
    write(constant.values.bytes());
    written += zeros.size() + constant.values.bytes().size();
  }
}

Result<Plan> DecodePlan(ByteSpan bytes) {
  return DecodePlan(proto::SharedBytes(Bytes(bytes.begin(), bytes.end())));
}

Result<Plan> DecodePlan(const proto::SharedBytes& bytes) {
  Reader in(bytes);
  const ByteSpan magic = in.Raw(sizeof kMagic);
  if (!in.ok() || !std::equal(magic.begin(), magic.end(), kMagic)) {
    return Fail(ErrorCode::kInvalidArgument, "plan: not a plan of version 5");
  }
  Plan plan;
  bool canonical = true;
  plan.architecture = in.Text();
  plan.tokens = in.U32();
  plan.vocabulary = in.U32();
  plan.digit_bits_high = in.U32();
  plan.digit_bits_low = in.U32();
  const std::size_t ops = in.Count(kOpBytesMin);
  for (std::size_t i = 0; i < ops && in.ok(); ++i) plan.ops.push_back(GetOp(in, canonical));
  const std::size_t constants = in.Count(kConstantBytesMin);
  std::vector<StoredConstant> stored;
  for (std::size_t i = 0; i < constants && in.ok() && canonical; ++i) {
    stored.push_back(GetConstant(in, canonical));
  }
  const std::size_t wide = in.Count(5);
  for (std::size_t i = 0; i < wide && in.ok(); ++i) {
    WideConstant constant;
    constant.frac = in.U8();
    constant.values = in.Wide();
    plan.wide_constants.push_back(std::move(constant));
  }
  const std::size_t labels = in.Count(4);
  for (std::size_t i = 0; i < labels && in.ok(); ++i) plan.labels.push_back(in.Text());
  plan.steps = in.U32();
  plan.flags = in.U32();
  plan.ends.resize(in.Count(4));
  for (TensorId& end : plan.ends) end = in.U32();
  for (StoredConstant& constant : stored) {
    if (!in.ok() || !canonical) break;
    if (IsLarge(constant.bytes)) {
      in.Align();
      constant.constant.values = in.Values(constant.width, constant.bytes);
    }
    canonical = !constant.constant.values.IsTooWide() || constant.constant.values.size() == 0;
    plan.constants.push_back(std::move(constant.constant));
  }
  if (!in.AtEnd() || !canonical) {
    return Fail(ErrorCode::kInvalidArgument, "plan: truncated, overlong or not canonical bytes");
  }
  if (auto valid = Validate(plan); !valid) return tl::unexpected(valid.error());
  return plan;
}

proto::Digest PlanDigest(ByteSpan encoded) {
  return proto::Hash("waxseal/plan", {encoded});
}

}  // namespace mpc
