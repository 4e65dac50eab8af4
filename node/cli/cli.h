// The command line. Every command is a sentence in --help; every error is one sentence on stderr
// that says what to do, and exit status 1.
#pragma once

namespace node {

int RunCli(int argc, char** argv);

}  // namespace node
