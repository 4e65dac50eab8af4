// A private question, from the client's side (docs/protocol.md, "A request, end to end").
//
// open -> masks -> submit -> wait -> fetch with proof -> unmask. The text, its tokens and the masks
// never leave this process; what is sent is a one-time pad of the tokens. Masks are decoded from
// all validators' shares with up to t of them wrong or silent; who gave a wrong share is named.
//
// A text that a model writes is shown as it comes, decoded in the same way, to who wants it
// (on_token); in the end what was shown is compared with the proved record, and an answer that is
// another is an error.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mpc/model/tokenizer.h"
#include "node/cli/answer_text.h"
#include "node/cli/client.h"

namespace node {

struct Answer {
  std::uint64_t request = 0;
  std::string model;  // Its id.
  std::vector<std::string> labels;
  std::string architecture;    // The manifest's.
  std::vector<double> logits;  // A classifier's; the sentence's vector; empty of a text.
  // False: a value left the range that the model was compiled for, and the answer may be wrong. By
  // the answer's own flags, which only the client can read (mpc/model/ranges.h).
  bool in_range = true;
  std::vector<double> range_flags;    // At most 1 in range.
  std::vector<double> probabilities;  // Softmax of the logits, on the client.
  std::size_t best = 0;               // Index of the largest.
  std::vector<std::uint32_t> tokens;  // Padded to the bucket.
  std::vector<std::uint32_t> masked_tokens;
  std::vector<std::uint32_t> written;     // A generator's tokens, up to the end token.
  std::string text;                       // And what they say;
  std::string text_rest;                  // what of it no Written had.
  std::uint32_t steps = 1;                // That were computed.
  std::size_t shown_early = 0;            // Of them, those decoded before the record was there.
  std::vector<std::string> wrong_steps;   // Validators that gave wrong shares of those.
  std::size_t text_tokens = 0;            // Without padding.
  std::uint64_t proof_height = 0;         // The signed block that the result was proved under.
  double seconds = 0;                     // From the submission to the proved result.
  double wait_seconds = 0;                // For a bundle.
  std::vector<std::string> wrong_masks;   // Validators whose mask shares were wrong.
  std::vector<std::string> silent_masks;  // That gave none in time.
  nlohmann::json record;                  // The request's record, as proved.

  bool writes() const;  // Whether the model continues texts.
};

// The id and manifest of the model meant: an id, or a name that one registered model alone has.
struct FoundModel {
  proto::Digest id;
  proto::Manifest manifest;
};
proto::Result<FoundModel> FindModel(const Client& client, const std::string& model);

// A model as it is asked: with its tokenizer. Serves many questions, also at the same time.
struct ServedModel {
  FoundModel found;
  mpc::TokenizerFiles files;
  mpc::Tokenizer tokenizer;
};
proto::Result<ServedModel> OpenModel(const Client& client, const std::string& model);

struct AskOptions {
  // The validators may learn how long the answer is, stop after its end token and charge no more.
  bool until_end = false;
  // Each token of a text as soon as it can be decoded. Called from any thread, by one at a time;
  // not after Ask has returned. None: the validators are not asked before the end.
  AnswerText::OnToken on_token;
};

proto::Result<Answer> Ask(const Client& client, const ServedModel& model, const std::string& text,
                          const Progress& progress, const AskOptions& options = {});
// Of a model that is asked once.
proto::Result<Answer> Ask(const Client& client, const std::string& model, const std::string& text,
                          const Progress& progress, const AskOptions& options = {});

// A model's file, from any validator, checked against its hash.
proto::Result<proto::Bytes> FetchModelFile(const Client& client, const proto::Digest& digest);

nlohmann::json ToJson(const Answer& answer);

}  // namespace node
