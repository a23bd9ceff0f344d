// One line for each type: its name in the description of the API, then JSON with all members, then
// JSON with those only that are always there (of requests: all but the optional ones).
#include <cstdio>
#include <string>

#include "control/json.h"
#include "random_values.h"

namespace {

using namespace ppspp::control;

template <typename T>
void print(const char* name, const T& all, const T& least) {
  std::printf("%s\t%s\t%s\n", name, to_json(all).c_str(), to_json(least).c_str());
}

template <typename T>
void print(const char* name) {
  test::Random random(1);
  print(name, test::any<T>(random, true), T{});
}

AddRequest whole_request() {
  const Limits limits{1, 2, 3, 4, 5, 6};
  AddRequest request;
  request.file = AddFile{"/a", 512, "bin32", "sha1", "none"};
  request.url = AddUrl{"ppspp:00", "/b", true};
  request.live = AddLive{"file:/c", 1, "/k", "ed25519", 512, 2, 3};
  request.peers = {"192.0.2.1:6778"};
  request.trackers = {"https://tracker.example.org/"};
  request.limits = limits;
  request.opens_at = 1;
  return request;
}

}  // namespace

int main() {
  const Limits limits{1, 2, 3, 4, 5, 6};
  print("AddRequest", whole_request(), AddRequest{});
  print("ChangeRequest", ChangeRequest{"n", "l", limits, 0}, ChangeRequest{});
  print("BanRequest", BanRequest{"192.0.2.0/24", "r", 1}, BanRequest{});
  print("PeerRequest", PeerRequest{"192.0.2.1:6778"}, PeerRequest{});
  print("Limits", limits, Limits{});
  print("LimitsChange", LimitsChange{{1}, {2}, {3}, {4}}, LimitsChange{});
  print<SwarmInfo>("SwarmInfo");
  print<SwarmPage>("SwarmPage");
  print<std::vector<PeerInfo>>("Peers");
  print<Availability>("Availability");
  print<GlobalLimits>("GlobalLimits");
  print<std::vector<BanInfo>>("Bans");
  print<BanInfo>("BanInfo");
  print<AccountPage>("AccountPage");
  print<std::vector<LogEntry>>("Log");
  print<DaemonInfo>("DaemonInfo");
  print<Event>("Event");
  std::printf("Error\t%s\t%s\n", error_json({ppspp::Errc::io, "m"}).c_str(),
              error_json({}).c_str());
}
