// What a generator's outputs say: from masked outputs to tokens and pieces of text, step by step.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "mpc/field/fp.h"
#include "mpc/model/tokenizer.h"
#include "proto/base/result.h"

namespace node {

// A text that grows by tokens. What was given out is never taken back: characters that are not
// whole yet are held back, as is all of a text that changes what it said before.
class TextPieces {
 public:
  explicit TextPieces(mpc::Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {}

  // What the token adds for certain.
  std::string Add(std::uint32_t token);
  // What is left when no token follows.
  std::string Finish() const;
  // All of it.
  std::string text() const { return tokenizer_.Decode(tokens_); }
  const std::vector<std::uint32_t>& tokens() const { return tokens_; }

 private:
  const mpc::Tokenizer tokenizer_;
  std::vector<std::uint32_t> tokens_;
  std::string given_;
};

// How an answer's outputs are to be read.
struct AnswerForm {
  std::uint32_t steps = 1;
  std::size_t group = 1;  // Outputs of a step,
  std::size_t flags = 0;  // of which the last are range flags.
  std::uint32_t frac = 0;
  std::uint64_t vocabulary = 0;     // Padded.
  std::vector<std::uint32_t> ends;  // End tokens.
  std::vector<mpc::Fp> masks;       // Of all outputs.

  ~AnswerForm();  // Erases the masks.
  double Real(mpc::Int128 value) const;
};

// A token of an answer.
struct Written {
  std::uint32_t step = 0;
  std::uint32_t token = 0;
  std::string text;  // What can be shown of the text now, beyond what was given before.
};

// The text that an answer's steps write, up to the end token.
class AnswerText {
 public:
  using OnToken = std::function<void(const Written&)>;

  AnswerText(AnswerForm form, mpc::Tokenizer tokenizer, OnToken on_token);

  // The next step's masked outputs. kCorrupt when its number is no token.
  proto::Result<> Take(std::span<const mpc::Fp> masked);
  std::uint32_t steps() const { return steps_; }  // That were taken.
  bool ended() const { return ended_; }           // The last one, or one before, was an end token.
  const TextPieces& text() const { return text_; }
  const std::vector<double>& flags() const { return flags_; }  // Up to the end token.

 private:
  const AnswerForm form_;
  TextPieces text_;
  const OnToken on_token_;
  std::uint32_t steps_ = 0;
  bool ended_ = false;
  std::vector<double> flags_;
};

}  // namespace node
