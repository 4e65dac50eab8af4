// The texts that a plan is calibrated on: what sample texts look like at the plan's length.
#pragma once

#include <cstdint>
#include <vector>

#include "mpc/model/float_model.h"

namespace mpc {

// Texts of exactly `tokens` ids from samples with what goes around them: every one cut and padded,
// its beginning of a few words by itself (attention is sharper, and its scores further apart, in
// short texts), some joined with those that follow to fill the length, one without any word; the
// first of all has a pad.
std::vector<std::vector<std::uint32_t>> EncoderTexts(
    const std::vector<std::vector<std::uint32_t>>& samples, std::uint32_t tokens, std::uint32_t pad,
    std::size_t at_most);

// Texts of exactly `length` ids, of which the first `tokens` may be padded, by all amounts in turn;
// the samples are joined and cut. What a model writes is not quite like the samples, and it reads
// it again: from the prompt's end on, every second text goes on in the model's own words up to its
// end token. The smaller the model, the more texts and the more of them continued.
std::vector<std::vector<std::uint32_t>> DecoderTexts(
    const FloatModel& model, const std::vector<std::vector<std::uint32_t>>& samples,
    std::uint32_t tokens, std::uint32_t length, std::uint32_t pad, std::size_t at_most);

}  // namespace mpc
