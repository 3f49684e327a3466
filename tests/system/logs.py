"""Hand-written logs of every odd shape the formats allow, as {file name: bytes}."""
import random

from lib import HEADER, record
from oracle import DEFAULT_FORMAT

DAY1, DAY2 = 1700006400, 1700092800  # 2023-11-15 and 16, 00:00 UTC
NUMBER_MAX = 2**63 - 1


def lines(*texts, end="\n"):
    return "".join(text + end for text in texts).encode()


def layouts():
    """Headers of many forms; subsets, orders, unknown fields."""
    tgw = ("version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id "
           "tgw-dst-vpc-account-id tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id "
           "tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id tgw-dst-az-id "
           "tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start "
           "end log-status type packets-lost-no-route packets-lost-blackhole "
           "packets-lost-mtu-exceeded packets-lost-ttl-expired tcp-flags region flow-direction "
           "pkt-src-aws-service pkt-dst-aws-service")
    tgw_line = ("6 TransitGateway 333333333333 tgw-1 tgw-attach-1 111111111111 222222222222 vpc-1 "
                "vpc-2 subnet-1 subnet-2 eni-1 eni-2 use1-az1 use1-az2 tgw-attach-2 {} 10.2.0.2 "
                f"5000 443 6 7 700 {DAY1 + 61} {DAY1 + 120} {{}} IPv4 0 0 0 0 19 us-east-1 "
                "ingress - S3")
    eleven = ("instance-tag instance-tag-2 interface-tag interface-tag-2 asg-tag asg-tag-2 "
              "interface-type next-hop-interface-id next-hop-subnet-id next-hop-az-id "
              "next-hop-vpc-id next-hop-interface-type")
    return {
        "subset.log": lines("bytes dstaddr start account-id srcaddr",
                            f"500 10.0.0.9 {DAY1} 111111111111 10.0.0.8",
                            f"501 10.0.0.8 {DAY2} 111111111111 10.0.0.9"),
        "few-columns.log": lines("account-id action", "222222222222 ACCEPT", "222222222222 REJECT"),
        "upper-case.log": HEADER.upper().encode() + record(interface="eni-upper").encode(),
        "underscores.log": HEADER.replace("-", "_").encode() + record().encode(),
        "dollars.log": lines(" ".join("${%s}" % f for f in DEFAULT_FORMAT)) + record().encode(),
        "tabs.log": (HEADER.replace(" ", "\t") + "\t " + record().replace(" ", " \t ")).encode(),
        "crlf.log": (HEADER + record(start=DAY1)).replace("\n", "\r\n").encode(),
        "bom.log": b"\xef\xbb\xbf" + (HEADER + record(start=DAY2)).encode(),
        "tgw.log": lines(tgw, tgw_line.format("10.1.0.1", "OK"), tgw_line.format("-", "OK"),
                         tgw_line.format("10.1.0.1", "NODATA")),
        "unknown-fields.log": lines("new-field srcaddr dstaddr other-new bytes start account-id",
                                    f"x y-z 10.0.0.2 ? 77 {DAY1} 111111111111",
                                    f"x 10.0.0.1 10.0.0.2 ? 77 {DAY1} 111111111111"),
        "version-11.log": lines(eleven + " account-id bytes", " ".join(["t%20x"] * 12) + " 44 5"),
        "ports-only.log": lines("srcport dstport protocol bytes", "5000 00443 006 1", "- 443 6 2",
                                "5000 - 6 3", "5000 443 - 4", "0 0 1 5", "443 443 17 6"),
        "pkt-addresses.log": lines("srcaddr dstaddr pkt-srcaddr pkt-dstaddr start",
                                   f"10.0.0.1 10.0.0.2 192.0.2.7 - {DAY1}",
                                   f"10.0.0.1 10.0.0.2 nowhere - {DAY1}"),
        "two-headers.log": lines("srcaddr bytes", "10.9.9.9 5", "SRCADDR DSTADDR Bytes",
                                 "10.9.9.9 10.9.9.8 6", "10.9.9.9 7", "srcaddr bytes",
                                 "10.9.9.9 8"),
        "time-before.log": lines("2024-12-20T10:00:00.000Z " + HEADER.strip(),
                                 "2024-12-20T10:00:01.000Z " + record().strip(), record().strip(),
                                 "\ufeff2024-12-20T10:00:02Z " + record(size=3).strip()),
        "all-fields.log": lines(
            "ecs-cluster-name ecs-service-name encryption-status reject-reason traffic-path "
            "tcp-flags az-id region instance-id subnet-id vpc-id flow-direction "
            "pkt-src-aws-service pkt-dst-aws-service start action account-id",
            f"cluster service 1 BPA 8 18 use1-az1 us-east-1 i-1 subnet-1 vpc-1 egress S3 EC2 {DAY1}"
            " REJECT 111111111111",
            f"cluster - 3 - - 018 - us-east-1 i-1 - vpc-1 ingress - - {DAY1} ACCEPT 111111111111"),
    }


def values():
    """Values at their limits, in odd spellings, absent, and malformed."""
    big = [record("444444444444", start=day, src=src, size=size, packets=packets)
           for day in (DAY1, DAY2) for src, size, packets in (
               ("10.0.0.1", NUMBER_MAX, NUMBER_MAX - 1), ("10.0.0.1", 1, 1), ("10.0.0.2", 2**60, 1),
               ("10.0.0.4", 2**60 + 1, 2), ("10.0.0.3", 2**60 + 2, 3), ("10.0.0.5", 2**53 + 1, 4))]
    forms = ["2001:DB8::0001", "2001:db8:0:0:0:0:0:1", "::ffff:10.0.0.1", "::FFFF:a00:1", "10.0.0.1",
             "::", "::1", "1:0:0:2:0:0:0:3", "1:0:0:2:0:0:3:4", "64:ff9b::1.2.3.4", "::1.2.3.4",
             "1:0:2:3:4:5:6:7", "fe80::1", "0.0.0.0", "255.255.255.255",
             "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "0000:0000::0000"]
    no_forms = ["1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "::1%eth0", ":::", "1::2::3", "12345::",
                "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::1.2.3", "1.2.3.4:", "x", "1.2.3.4\0"]
    numbers = ["", "+5", "-5", "1.0", "0x1", "1e3", "5 5", "٣", "5\0", "--"]
    odd = [record(sport="065535", dport="0", packets="0" * 30 + "7", start=DAY1),
           record(size="0" * 6000 + "9", start=DAY1)]
    return {
        "big.log": (HEADER + "".join(big)).encode(),
        "ipv6.log": "".join(record(src=a, dst=b, start=DAY1) for a in forms for b in forms
                            if a <= b).encode(),
        "not-addresses.log": "".join(record(src=a) + record(dst=a) for a in no_forms).encode(),
        "not-numbers.log": "".join(record(size=n) + record(sport=n) for n in numbers).encode(),
        "odd-numbers.log": "".join(odd).encode(),
        "out-of-range.log": "".join((
            record(sport=65536), record(dport="99999999999999999999"), record(protocol=256),
            record(packets=2**63), record(size=2**64), record(start=253402300800),
            record(sport=65536, size="x"), record(sport="x", size=2**63))).encode(),
        "times.log": "".join(record(start=t) for t in (
            0, 59, 60, 86399, 86400, 951782400, 253402300799 - 60, DAY1 + 59, DAY1 + 60)).encode(),
        "absent.log": lines(" ".join("-" * 14), "2 - " + "- " * 11 + "OK",
                            "2 unknown eni-x 10.0.0.1 - - - - - 5 - - ACCEPT OK",
                            f"2 - eni-x 10.0.0.1 - - - - - 5 {DAY1} - REJECT OK"),
        "actions.log": "".join(record(action=a, start=DAY1) for a in (
            "ACCEPT", "REJECT", "accept", "DROP", "-", "ACCEPT")).encode(),
        "status.log": "".join(
            [record(status=s) for s in ("NODATA", "SKIPDATA", "nodata", "OTHER", "-")] +
            ["2 555555555555 eni-1 - - - - - - - 1 2 - NODATA\n"] * 3 +
            ["2 555555555555 eni-1 - - - - - - - x 2 - SKIPDATA\n"] +
            ["2 - eni-1 - - - - - - - 1 2 - SKIPDATA\n"]).encode(),
        "bytes.log": lines("vpc-id account-id region instance-id start") + b"".join(
            b"%s 666\\7 %s caf\xc3\xa9 %d\n" % (vpc, region, DAY1) for vpc, region in (
                (b"vpc-\xff", b"a|b"), (b"vpc-\\xff", b"a\\b"), (b"\xe2\x82", b"|"),
                (b"\xe2\x82\xac", b"\\"), (b"\xed\xa0\x80", b"\"quoted\""), (b"\x01\x7f", b"<b>"),
                (b"\xf0\x9f\x98\x80", b"a,b;'c'"))),
        "lengths.log": b"".join((
            record(size=5).encode(), pad(record(), 65536), pad(record(), 65537), b"\n \t \n",
            pad(record(), 65536)[:-1] + b"\r\n", pad(record(), 200000),
            b"x" * 300000 + b"\n", record(size=6).encode()[:-1])),
    }


def pad(line, size):
    """The line with blanks at its end, so that it has `size` bytes before the newline."""
    return line.encode()[:-1].ljust(size) + b"\n"


def many_keys(seed=1):
    """More keys than are published, in tables of both sizes, over three days and two accounts; many
    ties."""
    rng = random.Random(seed)
    texts = []
    for day in range(3):
        for i in range(5000 if day != 1 else 300):
            texts.append(record(f"{rng.choice((777, 888)):012}", f"eni-{i}",
                                f"10.0.{rng.randrange(3)}.{rng.randrange(40)}",
                                f"10.1.0.{rng.randrange(30)}", rng.randrange(1024, 1100),
                                rng.choice((22, 53, 80, 443, 8000 + rng.randrange(20))),
                                rng.choice((6, 17)), rng.randrange(1, 4), rng.randrange(40, 60),
                                DAY1 + day * 86400 + rng.randrange(86400),
                                rng.choice(("ACCEPT", "REJECT", "ACCEPT"))))
    half = len(texts) // 2
    return {"many-1.log": "".join(texts[:half]).encode(), "many-2.log": "".join(texts[half:]).encode()}
