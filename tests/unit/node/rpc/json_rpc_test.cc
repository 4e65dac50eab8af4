#include "node/rpc/json_rpc.h"

#include <stdexcept>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace node {
namespace {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

JsonRpc Table() {
  JsonRpc rpc;
  rpc.Add({.name = "add",
           .params = {{"a", ParamType::kNumber, "", true}, {"b", ParamType::kNumber, "", false}}},
          [](const Params& params) -> Result<Json> {
            const auto a = params.Number("a");
            if (!a) return tl::unexpected(a.error());
            const auto b = params.Number("b", 10);
            if (!b) return tl::unexpected(b.error());
            return Json(*a + *b);
          });
  rpc.Add({.name = "size", .params = {{"hex", ParamType::kHex, "", true}}},
          [](const Params& params) -> Result<Json> {
            const auto hex = params.Hex("hex", 4);
            if (!hex) return tl::unexpected(hex.error());
            return Json(hex->size());
          });
  rpc.Add({.name = "name", .params = {{"id", ParamType::kHex32, "", true}}},
          [](const Params& params) -> Result<Json> {
            const auto id = params.Digest("id");
            if (!id) return tl::unexpected(id.error());
            return Json(id->hex());
          });
  rpc.Add({.name = "missing"}, [](const Params&) -> Result<Json> {
    return Fail(ErrorCode::kNotFound, "There is none.");
  });
  rpc.Add({.name = "throws"},
          [](const Params&) -> Result<Json> { throw std::runtime_error("inside"); });
  rpc.Add({.name = "raw"}, [](const Params&) -> Result<Json> { return Json("\xff\xfe"); });
  rpc.Add({.name = "long"}, [](const Params&) -> Result<Json> {
    return Json(std::string(kBatchAnswerBytesMax / 2, 'x'));
  });
  return rpc;
}

Json Ask(const std::string& body) {
  const std::string answer = Table().Handle(body);
  Json json = Json::parse(answer, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << answer;
  return json;
}

Json AskMethod(const std::string& method, const Json& params) {
  return Ask(Json{{"jsonrpc", "2.0"}, {"method", method}, {"params", params}, {"id", 7}}.dump());
}

int CodeOf(const Json& answer) {
  EXPECT_EQ(answer.value("jsonrpc", ""), "2.0");
  EXPECT_TRUE(answer.contains("id"));
  EXPECT_FALSE(answer.contains("result"));
  const std::string message = answer["error"]["message"];
  EXPECT_TRUE(message.ends_with(".")) << message;
  return answer["error"]["code"];
}

TEST(JsonRpc, CallsByNameAndByPosition) {
  EXPECT_EQ(AskMethod("add", {{"a", 2}, {"b", 3}}),
            Json({{"jsonrpc", "2.0"}, {"result", 5}, {"id", 7}}));
  EXPECT_EQ(AskMethod("add", Json::array({2, 3}))["result"], 5);
  EXPECT_EQ(AskMethod("add", {{"a", 2}})["result"], 12);  // b is optional.
  EXPECT_EQ(AskMethod("add", {{"a", "18446744073709551605"}})["result"], ~std::uint64_t{0});
  EXPECT_EQ(AskMethod("add", {{"a", 1}, {"b", nullptr}})["result"], 11);
  EXPECT_EQ(AskMethod("size", {{"hex", "00fF"}})["result"], 2);
  const std::string digest(64, 'a');
  EXPECT_EQ(AskMethod("name", {{"id", digest}})["result"], digest);
}

TEST(JsonRpc, AnswersWithTheStandardsErrors) {
  EXPECT_EQ(CodeOf(Ask("")), -32700);
  EXPECT_EQ(CodeOf(Ask("{\"jsonrpc\": \"2.0\"")), -32700);
  EXPECT_EQ(CodeOf(Ask("1")), -32600);
  EXPECT_EQ(CodeOf(Ask("[]")), -32600);
  EXPECT_EQ(CodeOf(Ask("{}")), -32600);
  EXPECT_EQ(CodeOf(Ask(R"({"jsonrpc":"1.0","method":"add","id":1})")), -32600);
  EXPECT_EQ(CodeOf(Ask(R"({"jsonrpc":"2.0","method":1,"id":1})")), -32600);
  EXPECT_EQ(CodeOf(Ask(R"({"jsonrpc":"2.0","method":"add","params":3,"id":1})")), -32600);
  EXPECT_EQ(CodeOf(Ask(R"({"jsonrpc":"2.0","method":"add","id":{}})")), -32600);
  EXPECT_EQ(CodeOf(Ask(R"({"jsonrpc":"2.0","method":"no","id":1})")), -32601);
  EXPECT_EQ(CodeOf(AskMethod("missing", Json::object())), -32001);
  EXPECT_EQ(CodeOf(AskMethod("throws", Json::object())), -32002);
  EXPECT_EQ(AskMethod("raw", Json::object())["result"], "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(JsonRpc, SaysWhichParameterIsWrong) {
  const auto message = [](const std::string& method, const Json& params) {
    const Json answer = AskMethod(method, params);
    EXPECT_EQ(CodeOf(answer), -32602);
    return std::string(answer["error"]["message"]);
  };
  EXPECT_EQ(message("add", Json::object()), "The parameter 'a' is missing.");
  EXPECT_EQ(message("add", {{"a", 1}, {"c", 1}}),
            "The parameter 'c' is unknown: the method takes a, b.");
  EXPECT_EQ(message("add", Json::array({1, 2, 3})),
            "There are too many parameters: the method takes a, b.");
  EXPECT_EQ(message("missing", Json::array({1})),
            "There are too many parameters: the method takes none.");
  for (const Json& wrong : {Json(-1), Json(1.5), Json("x"), Json(""), Json("-1"), Json("1 "),
                            Json("18446744073709551616"), Json(true), Json::array()}) {
    EXPECT_EQ(message("add", {{"a", wrong}}),
              "The parameter 'a' must be a whole number from 0 to 2^64 - 1.")
        << wrong;
  }
  EXPECT_EQ(message("size", {{"hex", "0"}}),
            "The parameter 'hex' must be an even number of hexadecimal digits.");
  EXPECT_EQ(message("size", {{"hex", 1}}),
            "The parameter 'hex' must be an even number of hexadecimal digits.");
  EXPECT_EQ(message("size", {{"hex", "0011223344"}}),
            "The parameter 'hex' is longer than 4 bytes.");
  EXPECT_EQ(message("name", {{"id", "00"}}),
            "The parameter 'id' must be 32 bytes in hexadecimal digits.");
}

// The document is made from what calls are checked against.
TEST(JsonRpc, DiscoversItself) {
  const Json document = AskMethod("rpc.discover", Json::array())["result"];
  EXPECT_EQ(document["openrpc"], "1.3.2");
  const std::vector<MethodSpec> specs = Table().specs();
  ASSERT_EQ(document["methods"].size(), specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const Json& method = document["methods"][i];
    EXPECT_EQ(method["name"], specs[i].name);
    ASSERT_EQ(method["params"].size(), specs[i].params.size());
    for (std::size_t j = 0; j < specs[i].params.size(); ++j) {
      EXPECT_EQ(method["params"][j]["name"], specs[i].params[j].name);
      EXPECT_EQ(method["params"][j]["required"], specs[i].params[j].required);
      EXPECT_FALSE(method["params"][j]["schema"].empty());
    }
    for (const Json& error : method["errors"]) {
      const std::string reference = error["$ref"];
      const auto code = document.at(Json::json_pointer(reference.substr(1)))["code"];
      EXPECT_LT(code, 0) << reference;
    }
  }
  EXPECT_EQ(document["components"]["errors"].size(), 10u);
  EXPECT_EQ(document["components"]["errors"]["Denied"]["code"], -32005);
}

TEST(JsonRpc, ProvableMethodsTakeOneParameterMore) {
  JsonRpc rpc;
  rpc.Add({.name = "truth", .params = {{"a", ParamType::kNumber, "", false}}, .provable = true},
          [](const Params& params) -> Result<Json> { return Json(params.Flag("prove").value()); });
  const auto ask = [&](const std::string& params) {
    return Json::parse(
        rpc.Handle(R"({"jsonrpc":"2.0","method":"truth","id":1,"params":)" + params + "}"));
  };
  EXPECT_EQ(ask("{}")["result"], false);
  EXPECT_EQ(ask(R"({"prove":true})")["result"], true);
  EXPECT_EQ(ask("[1,true]")["result"], true);
  EXPECT_EQ(ask(R"({"prove":1})")["error"]["message"],
            "The parameter 'prove' must be true or false.");
}

TEST(JsonRpc, AnswersBatchesAndNotNotifications) {
  const std::string note = R"({"jsonrpc":"2.0","method":"add","params":[1]})";
  const std::string call = R"({"jsonrpc":"2.0","method":"add","params":[1,1],"id":"x"})";
  EXPECT_EQ(Table().Handle(note), "");
  EXPECT_EQ(Table().Handle("[" + note + "," + note + "]"), "");
  const Json answers = Ask("[" + call + "," + note + ",3," + call + "]");
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0]["result"], 2);
  EXPECT_EQ(answers[0]["id"], "x");
  EXPECT_EQ(CodeOf(answers[1]), -32600);

  std::string many = call;
  for (std::size_t i = 1; i < kBatchMax; ++i) many += "," + call;
  EXPECT_EQ(Ask("[" + many + "]").size(), kBatchMax);
  EXPECT_EQ(CodeOf(Ask("[" + many + "," + call + "]")), -32600);
}

TEST(JsonRpc, BoundsTheAnswersOfABatch) {
  const std::string call = R"({"jsonrpc":"2.0","method":"long","id":1})";
  std::string batch = call;
  for (int i = 0; i < 9; ++i) batch += "," + call;
  const std::string answer = Table().Handle("[" + batch + "]");
  EXPECT_LE(answer.size(), 2 * kBatchAnswerBytesMax);
  const Json answers = Json::parse(answer);
  ASSERT_EQ(answers.size(), 10u);
  EXPECT_EQ(CodeOf(answers[9]), -32003);
  EXPECT_EQ(answers[9]["id"], 1);
}

TEST(JsonRpc, RefusesTreesBeforeBuildingThem) {
  EXPECT_EQ(CodeOf(Ask(std::string(1'000'000, '['))), -32700);
  EXPECT_EQ(CodeOf(Ask(std::string(kJsonDepthMax + 1, '[') + std::string(kJsonDepthMax + 1, ']'))),
            -32700);
  EXPECT_TRUE(ParseJson(std::string(kJsonDepthMax, '[') + std::string(kJsonDepthMax, ']')));
  std::string wide = "[0";
  for (std::size_t i = 2; i < kJsonValuesMax; ++i) wide += ",0";
  EXPECT_TRUE(ParseJson(wide + "]"));
  EXPECT_FALSE(ParseJson(wide + ",0,0]"));
  // Brackets inside strings are text.
  EXPECT_TRUE(ParseJson("\"" + std::string(1000, '[') + "\\\"" + std::string(1000, '{') + "\""));
  EXPECT_FALSE(ParseJson("\"abc\\"));
}

// Any bytes, and any damage to a good request, are answered with JSON or not at all.
RC_GTEST_PROP(JsonRpc, SurvivesAnyBytes, ()) {
  const auto bytes = *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
  const std::string answer = Table().Handle(bytes);
  RC_ASSERT(answer.empty() || Json::accept(answer));
}

RC_GTEST_PROP(JsonRpc, SurvivesDamagedRequests, ()) {
  std::string body =
      R"([{"jsonrpc":"2.0","method":"add","params":{"a":1,"b":"2"},"id":[1.5e3,null,"\u0041"]}])";
  const int edits = *rc::gen::inRange(1, 8);
  for (int i = 0; i < edits; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, body.size());
    switch (*rc::gen::inRange(0, 3)) {
      case 0:
        body[at] = *rc::gen::arbitrary<char>();
        break;
      case 1:
        body.erase(at, *rc::gen::inRange<std::size_t>(1, 10));
        break;
      default:
        body.insert(at, 1, *rc::gen::elementOf(std::string("[]{},:\"\\0-e")));
    }
    if (body.empty()) break;
  }
  const std::string answer = Table().Handle(body);
  RC_ASSERT(answer.empty() || Json::accept(answer));
}

TEST(JsonRpc, CodesSurviveTheWayToTheClient) {
  for (const ErrorCode code :
       {ErrorCode::kInvalidArgument, ErrorCode::kNotFound, ErrorCode::kUnavailable,
        ErrorCode::kExhausted, ErrorCode::kCorrupt, ErrorCode::kDenied}) {
    EXPECT_EQ(FromRpcCode(static_cast<int>(ToRpcCode(code))), code);
  }
  EXPECT_EQ(FromRpcCode(0), ErrorCode::kCorrupt);
  EXPECT_EQ(FromRpcCode(std::int64_t{1} << 40), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace node
