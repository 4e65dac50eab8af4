// Writes every target's seeds to DIR/TARGET/, where libFuzzer and the replay find them.

#include <cstdio>
#include <string>

#include "node/loop/files.h"
#include "tests/fuzz/targets.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  for (const fuzz::Target& target : fuzz::Targets()) {
    const std::string folder = std::string(argv[1]) + "/" + std::string(target.name);
    if (!node::MakeDirectories(folder)) return 1;
    int number = 0;
    for (const proto::Bytes& seed : target.seeds()) {
      if (!node::WriteFile(folder + "/seed" + std::to_string(number++), seed)) return 1;
    }
    std::printf("%s\n", std::string(target.name).c_str());
  }
  return 0;
}
