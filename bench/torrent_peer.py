#!/usr/bin/python3
"""One side of a BitTorrent transfer over loopback, for comparison: libtorrent by its Python binding.

torrent_peer.py make FILE TORRENT
torrent_peer.py seed FILE TORRENT PORT utp|tcp      prints "ready"; ends on SIGTERM
torrent_peer.py get DIRECTORY TORRENT PORT utp|tcp  prints a JSON object when complete
"""

import json
import os
import signal
import sys
import time

import libtorrent as lt

SOCKET_BUFFER = 4 << 20  # what uTP needs for its best on loopback


def settings(port, transport):
    utp = transport == "utp"
    return {
        "listen_interfaces": f"127.0.0.1:{port}",
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_outgoing_utp": utp, "enable_incoming_utp": utp,
        "enable_outgoing_tcp": not utp, "enable_incoming_tcp": not utp,
        "send_socket_buffer_size": SOCKET_BUFFER, "recv_socket_buffer_size": SOCKET_BUFFER,
        "allow_multiple_connections_per_ip": True,
        "in_enc_policy": int(lt.enc_policy.pe_disabled),
        "out_enc_policy": int(lt.enc_policy.pe_disabled),
        "alert_mask": int(lt.alert.category_t.status_notification
                          | lt.alert.category_t.error_notification),
    }


def make(file, torrent):
    storage = lt.file_storage()
    lt.add_files(storage, file)
    creator = lt.create_torrent(storage, 0, flags=lt.create_torrent.v1_only)
    lt.set_piece_hashes(creator, os.path.dirname(file))
    with open(torrent, "wb") as out:
        out.write(lt.bencode(creator.generate()))


def add(session, directory, torrent, flags):
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = directory
    params.flags = flags
    return session.add_torrent(params)


def seed(file, torrent, port, transport):
    session = lt.session(settings(port, transport))
    handle = add(session, os.path.dirname(file), torrent, lt.torrent_flags.seed_mode)
    while not handle.status().is_seeding:
        time.sleep(0.01)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    print("ready", flush=True)
    while not ended:
        time.sleep(0.1)


def cpu_seconds():
    times = os.times()
    return times.user + times.system


def get(directory, torrent, port, transport):
    session = lt.session(settings(0, transport))
    cpu, start = cpu_seconds(), time.monotonic()
    handle = add(session, directory, torrent, 0)
    handle.connect_peer(("127.0.0.1", port))
    while not handle.status().is_seeding:
        session.wait_for_alert(20)
        session.pop_alerts()
    print(json.dumps({"seconds": time.monotonic() - start, "cpu": cpu_seconds() - cpu}), flush=True)


def main():
    role, path, torrent = sys.argv[1:4]
    if role == "make":
        make(os.path.abspath(path), torrent)
    else:
        {"seed": seed, "get": get}[role](os.path.abspath(path), torrent, int(sys.argv[4]),
                                         sys.argv[5])


if __name__ == "__main__":
    main()
