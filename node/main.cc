#include "node/cli/cli.h"

int main(int argc, char** argv) { return node::RunCli(argc, argv); }
