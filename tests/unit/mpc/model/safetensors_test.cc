#include "mpc/model/safetensors.h"

#include <gtest/gtest.h>

#include "tests/unit/mpc/model/files.h"

namespace mpc {
namespace {

using proto::Bytes;

TEST(Safetensors, ReadsEveryFloatType) {
  // 1.5 and -2 in F32, F16 and BF16; the smallest subnormal and the largest F16.
  const Bytes data = {0x00, 0x00, 0xc0, 0x3f, 0x00, 0x00, 0x00, 0xc0,  // F32
                      0x00, 0x3e, 0x00, 0xc0, 0x01, 0x00, 0xff, 0x7b,  // F16
                      0xc0, 0x3f, 0x00, 0xc0};                         // BF16
  const Bytes bytes = SafetensorsFile(
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"F16","shape":[2,2],"data_offsets":[8,16]},)"
      R"("c":{"dtype":"BF16","shape":[1,2],"data_offsets":[16,20]}}  )",
      data);
  const auto file = Safetensors::Parse(bytes);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(file->Read("a", {2}).value().values, (std::vector<float>{1.5, -2}));
  EXPECT_EQ(file->Read("b", {2, 2}).value().values, (std::vector<float>{1.5, -2, 0x1p-24f, 65504}));
  EXPECT_EQ(file->Read("c", {1, 2}).value().values, (std::vector<float>{1.5, -2}));
  EXPECT_FALSE(file->Read("a", {1, 2}));
  EXPECT_EQ(file->Read("d", {2}).error().code, proto::ErrorCode::kNotFound);
}

TEST(Safetensors, RefusesHostileHeaders) {
  const Bytes eight(8, 0);
  const std::pair<const char*, const char*> cases[] = {
      {"not JSON", "{"},
      {"not an object", "[]"},
      {"no fields", R"({"a":{}})"},
      {"a number for a tensor", R"({"a":3})"},
      {"unknown dtype", R"({"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})"},
      {"dtype of another type", R"({"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}})"},
      {"begin after end", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})"},
      {"end outside", R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}})"},
      {"negative offset", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,8]}})"},
      {"huge offset",
       R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[18446744073709551608,18446744073709551615]}})"},
      {"fractional offset", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0.5,8]}})"},
      {"shape against size", R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})"},
      {"shape that overflows",
       R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}})"},
      {"negative shape", R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}})"},
      {"too many dimensions",
       R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})"},
      {"overlap",
       R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"},
      {"hole", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"},
      {"bytes at the end", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})"},
      {"a name twice",
       R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"},
      {"a field twice", R"({"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}})"},
      {"deep", R"({"a":{"dtype":"F32","shape":[[[[[2]]]]],"data_offsets":[0,8]}})"},
  };
  for (const auto& [what, header] : cases) {
    EXPECT_FALSE(Safetensors::Parse(SafetensorsFile(header, eight))) << what;
  }
  EXPECT_TRUE(Safetensors::Parse(
      SafetensorsFile(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", eight)));
}

TEST(Safetensors, RefusesEveryTruncation) {
  const Bytes bytes =
      SafetensorsFile(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", Bytes(8, 1));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Safetensors::Parse(proto::ByteSpan(bytes).first(size))) << size;
  }
  Bytes huge = bytes;
  for (std::size_t i = 0; i < 8; ++i) huge[i] = 0xff;
  EXPECT_FALSE(Safetensors::Parse(huge));
  EXPECT_FALSE(Safetensors::Parse(SafetensorsFile(std::string(100000, '['), {})));
}

TEST(Safetensors, RefusesValuesThatAreNoNumbersAndOtherTypes) {
  const Bytes data = {0, 0, 0xc0, 0x7f, 0x00, 0x7c, 0x80, 0xff, 1, 0, 0, 0, 0, 0, 0, 0};
  const Bytes bytes =
      SafetensorsFile(R"({"nan":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                      R"("inf":{"dtype":"F16","shape":[1],"data_offsets":[4,6]},)"
                      R"("minus":{"dtype":"BF16","shape":[1],"data_offsets":[6,8]},)"
                      R"("ids":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}})",
                      data);
  const auto file = Safetensors::Parse(bytes);
  ASSERT_TRUE(file) << file.error().message;
  for (const char* name : {"nan", "inf", "minus", "ids"}) {
    const auto tensor = file->Read(name, {1});
    ASSERT_FALSE(tensor) << name;
    EXPECT_NE(tensor.error().message.find(name), std::string::npos);
  }
}

}  // namespace
}  // namespace mpc
