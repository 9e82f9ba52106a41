"""Drives a simulated APIC by a client that others wrote. Arguments: HOST:PORT, its certificate, user, password."""

import sys
import time

address, certificate, user, password = sys.argv[1:5]
# The client switches verification off; this certificate is asked for all the same.
import requests

send = requests.Session.request


def verified(self, method, url, **options):
    return send(self, method, url, **{**options, "verify": certificate})


requests.Session.request = verified

import aciClient

assert aciClient.ACI(address, user, "wrong").login() is False

apic = aciClient.ACI(address, user, password)
assert apic.login() is True
assert len(apic.getToken()) > 100

eepg = "uni/tn-k8s/out-calico/instP-web"


def member(ip, **more):
    return {"l3extSubnet": {"attributes": {"ip": ip, **more}}}


tree = {
    "fvTenant": {
        "attributes": {"dn": "uni/tn-k8s"},
        "children": [
            {"fvCtx": {"attributes": {"name": "prod"}}},
            {
                "l3extOut": {
                    "attributes": {"name": "calico"},
                    "children": [
                        {"l3extRsEctx": {"attributes": {"tnFvCtxName": "prod"}}},
                        {
                            "l3extInstP": {
                                "attributes": {"name": "web"},
                                "children": [member(f"10.96.7.{host}/32") for host in range(1, 6)],
                            }
                        },
                    ],
                }
            },
        ],
    }
}
assert apic.postJson(tree) == 200
assert apic.postJson(tree, url="mo/uni.json") == 200


def members(uri):
    return sorted(mo["l3extSubnet"]["attributes"]["ip"] for mo in apic.getJson(uri))


all_members = [f"10.96.7.{host}/32" for host in range(1, 6)]
assert members("class/l3extSubnet.json") == all_members
subtree = f"mo/{eepg}.json?query-target=subtree&target-subtree-class=l3extSubnet"
assert members(subtree) == all_members
assert members(subtree + '&query-target-filter=eq(l3extSubnet.ip,"10.96.7.3/32")') == ["10.96.7.3/32"]
assert members(subtree + "&order-by=l3extSubnet.dn|asc&page=1&page-size=2") == all_members[2:4]
whole = apic.getJson(f"mo/{eepg}.json?rsp-subtree=full")
assert len(whole) == 1 and len(whole[0]["l3extInstP"]["children"]) == 5
assert apic.getJson("mo/uni/tn-none.json") == []

answer = apic.postJson({"l3extInstP": {"attributes": {"dn": eepg, "prio": "high"}}})
assert answer.startswith("400: unknown property value high, name prio, class l3extInstP"), answer
answer = apic.getJson("class/l3extSub.json")
assert answer == "unknown managed object class l3extSub", answer

time.sleep(1)  # two logins or refreshes a second are taken
assert apic.renewCookie() is True
assert apic.deleteMo(f"{eepg}/extsubnet-[10.96.7.5/32]") == 200
assert apic.deleteMo(f"{eepg}/extsubnet-[10.96.7.5/32]") == 200
assert members(subtree) == all_members[:4]

apic.logout()
answer = apic.getJson("class/fvTenant.json")
assert answer["imdata"][0]["error"]["attributes"]["code"] == "403", answer
print("as expected")
