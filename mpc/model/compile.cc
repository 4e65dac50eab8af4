#include "mpc/model/compile.h"

#include <bit>

#include "mpc/model/decoder_plan.h"
#include "mpc/model/encoder_plan.h"

namespace mpc {

std::string Name(Approximation approximation) {
  switch (approximation) {
    case Approximation::kExact:
      return "exact";
    case Approximation::kPuma:
      return "puma";
    case Approximation::kMpcformer:
      return "mpcformer";
  }
  return "";
}

proto::Result<Approximation> ParseApproximation(const std::string& name) {
  for (const auto known :
       {Approximation::kExact, Approximation::kPuma, Approximation::kMpcformer}) {
    if (Name(known) == name) return known;
  }
  return proto::Fail(proto::ErrorCode::kInvalidArgument,
                     "there is no approximation " + name + " (there are: exact, puma, mpcformer)");
}

proto::Result<Plan> Compile(const FloatModel& model, const Length& length,
                            const std::vector<std::vector<std::uint32_t>>& calibration,
                            const CompileOptions& options) {
  if (model.config.decoder() && options.approximation != Approximation::kExact) {
    return proto::Fail(proto::ErrorCode::kInvalidArgument,
                       "compiling the model: " + Name(options.approximation) +
                           " is for models that classify or embed; " + model.config.architecture +
                           " takes exact");
  }
  if (model.config.decoder()) return CompileDecoder(model, length, calibration, options);
  return CompileEncoder(model, length.tokens, calibration, options);
}

std::uint32_t PadToken(const ModelConfig& config) {
  if (!config.decoder()) return config.pad_token_id;
  return (1u << std::bit_width(config.vocab_size)) - 1;
}

proto::Result<std::vector<std::uint32_t>> PadText(const std::vector<std::uint32_t>& ids,
                                                  std::uint32_t tokens, std::uint32_t pad,
                                                  bool before) {
  if (ids.size() > tokens) {
    return proto::Fail(proto::ErrorCode::kInvalidArgument,
                       "the text has " + std::to_string(ids.size()) + " tokens, more than the " +
                           std::to_string(tokens) + " that the model's length allows");
  }
  std::vector<std::uint32_t> padded = ids;
  padded.insert(before ? padded.begin() : padded.end(), tokens - ids.size(), pad);
  return padded;
}

}  // namespace mpc
