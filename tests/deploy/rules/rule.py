"""What a rule is, and the usual ways to break one."""

from manifests import of_kind, pods

RULES = []


def rule(words, breaks):
    def add(check):
        RULES.append((words, check, breaks))
        return check

    return add


def first_pod(change):
    def breaks(objects):
        found = pods(objects)
        return bool(found) and change(found[0]) is not False

    return breaks


def first_container(change):
    return first_pod(lambda pod: change(next(it for _, it in pod.containers)))


def with_sidecar(change):
    def breaks(objects):
        found = [pod for pod in pods(objects) if pod.sidecar]
        return bool(found) and change(found[0]) is not False

    return breaks


def first_of(kind, change):
    def breaks(objects):
        found = of_kind(objects, kind)
        return bool(found) and change(found[0]) is not False

    return breaks


def security(**settings):
    return first_container(lambda it: it["securityContext"].update(settings))


def put(**fields):
    return lambda it: it.update(fields)
